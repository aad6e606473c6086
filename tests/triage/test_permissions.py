"""Who may act on a case."""

from datetime import timedelta

import msgspec
import pytest
from conftest import Harness

from models.configuration import ConfigurationFile
from models.errors import Refused
from models.tables.case import Case
from publishing import replies
from triage import case_actions


async def test_a_member_of_another_brand_sees_no_case(harness: Harness):
    case = await harness.case()
    with pytest.raises(Refused, match=f"Case {case.id} does not exist, or you do not have access to it"):
        await harness.do(case_actions.claim, case.id, harness.member("piero"))


async def test_a_case_claimed_by_a_colleague_cannot_be_changed(harness: Harness):
    case = await harness.case()
    await harness.do(case_actions.claim, case.id, harness.member("ana"))
    bruno = harness.member("bruno")
    for action, arguments in (
        (case_actions.dismiss, ("boh",)),
        (case_actions.snooze, (harness.now + timedelta(hours=1),)),
        (replies.save_draft, ("Salve",)),
        (case_actions.release, ()),
        (case_actions.assign, ("bruno",)),
    ):
        with pytest.raises(Refused):
            await harness.do(action, case.id, bruno, *arguments)
    await harness.do(case_actions.assign, case.id, harness.member("lidia"), "bruno")
    assert (await harness.get(Case, case.id)).claimed_by == bruno


async def test_a_removed_member_cannot_act(harness: Harness):
    case = await harness.case()
    ana = harness.member("ana")
    await harness.do(case_actions.claim, case.id, ana)
    archived = msgspec.structs.replace(harness.configuration.members[ana], archived=True)
    await harness.apply(ConfigurationFile(members=(archived,)))
    with pytest.raises(Refused, match="no longer a member"):
        await harness.do(replies.save_draft, case.id, ana, "Salve")
