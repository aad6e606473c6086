"""The table of actions is consistent, and every action asks for permission before it writes."""

from dataclasses import replace

import msgspec
import pytest
from conftest import Harness
from sqlalchemy import func, select

from actions.perform import perform_chat_action
from actions.spec import AnyAction
from actions.table import ACTIONS, MAX_BUTTONS, REACTIONS, is_possible, on_card, on_page
from cards.case_view import case_view
from languages import available, translator
from models.configuration import ConfigurationFile
from models.errors import Refused
from models.tables.action import Action
from models.tables.base import Base
from models.tables.case import OPEN, Case, State
from triage.case_actions import claim
from triage.lifecycle import GRAPH, STATE_OF, allows
from triage.permissions import require_claim, require_unclaimed_or_own

SPECS = list(ACTIONS.values())
ON_A_CASE = [spec for spec in SPECS if spec.permission is not None]
ARGUMENT = {"minutes": "60", "alert": "1", "sentiment": "neutral", "to": "bruno"}
STATES: tuple[State, ...] = tuple(GRAPH)


def name(spec: AnyAction) -> str:
    return spec.verb


def by(who: str, verb: str, case: int, text: str = "") -> Action:
    return Action(native_id=f"{who}{verb}{text}", verb=verb, who=who, chat="c", case=case, text=text)


@pytest.mark.parametrize("spec", SPECS, ids=name)
def test_an_argument_is_a_field_of_its_form(spec: AnyAction):
    assert not spec.argument or spec.argument in spec.form.__struct_fields__
    assert spec.argument or spec.choices is None


@pytest.mark.parametrize("spec", [spec for spec in SPECS if spec.menu], ids=name)
def test_what_a_page_offers_can_be_filled_in_there(spec: AnyAction):
    inputs = {field.name for field in spec.inputs}
    assert inputs <= set(spec.form.__struct_fields__)
    typed = dict.fromkeys(inputs, "x") | ({spec.argument: ARGUMENT.get(spec.argument, "x")} if spec.choices else {})
    msgspec.convert(typed, spec.form, strict=False)


def test_shortcuts_are_letters_that_the_page_has_no_other_use_for():
    shortcuts = [spec.shortcut for spec in SPECS if spec.shortcut]
    assert len(shortcuts) == len(set(shortcuts))
    assert not set(shortcuts) & set("jkcrug")


async def test_a_page_offers_what_the_member_may_do(harness: Harness):
    case = await harness.case()
    await harness.do(claim, case.id, harness.member("ana"))
    async with harness.store.reading() as session:
        view = await case_view(harness.context(session), case.id)
    ana = {spec.verb for spec in on_page(view, harness.member("ana"))}
    bruno = {spec.verb for spec in on_page(view, harness.member("bruno"))}
    assert ana - bruno == {"snooze", "dismiss", "release"}
    assert bruno < ana


@pytest.mark.parametrize("spec", SPECS, ids=name)
@pytest.mark.parametrize("language", [code for code in available() if code != "en"])
def test_a_label_is_translated(spec: AnyAction, language: str):
    assert translator(language)(spec.label)
    assert spec.label in {"Note", "Desk"} or translator(language)(spec.label) != spec.label


@pytest.mark.parametrize("stage", STATE_OF)
def test_the_buttons_of_a_stage_are_possible_there(stage):
    specs = on_card(stage)
    assert len(specs) == len([spec for spec in SPECS if stage in spec.stages]) <= MAX_BUTTONS
    for spec in specs:
        assert any(is_possible(spec.verb, state) for state in STATE_OF[stage])


@pytest.mark.parametrize("state", STATES)
def test_what_moves_a_case_is_possible_where_the_lifecycle_says_so(state: State):
    for spec in SPECS:
        assert is_possible(spec.verb, state) == (spec.move is None or allows(state, spec.move))


def test_every_open_state_offers_a_way_on():
    stages = [stage for stage, states in STATE_OF.items() if set(states) & set(OPEN) and stage != "sending"]
    assert all(on_card(stage) for stage in stages)


def test_reactions_are_arguments_that_their_action_accepts():
    for verb, argument in REACTIONS.values():
        spec = ACTIONS[verb]
        values = {spec.argument: argument} if argument else {}
        msgspec.convert(values, spec.form, strict=False)


async def everything(harness: Harness) -> dict[str, int]:
    """Table → how many rows it has."""
    async with harness.store.reading() as session:
        return {
            table.name: await session.scalar(select(func.count()).select_from(table)) or 0
            for table in Base.metadata.sorted_tables
        }


async def attempt(harness: Harness, who: str, spec: AnyAction, case: int) -> str:
    """What a member is told about an action they must not do; asserts that nothing was written."""
    before = await everything(harness)
    text = ARGUMENT.get(spec.argument, "x")
    async with harness.store.writing() as session:
        performed = await perform_chat_action(
            harness.context(session), "square", "telegram", by(who, spec.verb, case, text)
        )
    assert performed is not None
    assert performed.outcome.refused
    assert await everything(harness) == before
    return performed.outcome.message


@pytest.mark.parametrize("spec", ON_A_CASE, ids=name)
async def test_another_brands_member_is_refused(harness: Harness, spec: AnyAction):
    case = await harness.case()
    await harness.apply(with_identity(harness, "piero", "14"))
    message = await attempt(harness, "14", spec, case.id)
    assert "does not exist" in message


@pytest.mark.parametrize("spec", ON_A_CASE, ids=name)
async def test_a_non_member_is_refused(harness: Harness, spec: AnyAction):
    case = await harness.case()
    assert "You are not a member" in await attempt(harness, "99", spec, case.id)


@pytest.mark.parametrize("spec", ON_A_CASE, ids=name)
async def test_an_archived_member_is_refused(harness: Harness, spec: AnyAction):
    case = await harness.case()
    await harness.apply(with_identity(harness, "bruno", "12", archived=True))
    await attempt(harness, "12", spec, case.id)


@pytest.mark.parametrize(
    "spec", [s for s in SPECS if s.permission in (require_claim, require_unclaimed_or_own)], ids=name
)
async def test_a_colleagues_case_is_refused_where_it_must_be_ones_own(harness: Harness, spec: AnyAction):
    case = await harness.case()
    async with harness.store.writing() as session:
        await perform_chat_action(harness.context(session), "square", "telegram", by("11", "claim", case.id))
    assert "Ana ha preso in carico questo caso" in await attempt(harness, "12", spec, case.id)


@pytest.mark.parametrize("spec", [s for s in ON_A_CASE if s.choices is not None], ids=name)
async def test_an_invalid_argument_offers_the_choices(harness: Harness, spec: AnyAction):
    case = await harness.case()
    async with harness.store.writing() as session:
        context = harness.context(session)
        performed = await perform_chat_action(context, "square", "telegram", by("11", spec.verb, case.id))
    assert performed is not None
    choices = performed.outcome.choices
    assert choices
    for choice in choices:
        assert choice.verb == spec.verb
        msgspec.convert({spec.argument: choice.text}, spec.form, strict=False)


@pytest.mark.parametrize("verb", ["claim", "dismiss", "snooze", "escalate"])
async def test_an_action_without_its_case_is_refused(harness: Harness, verb: str):
    action = Action(native_id="1", verb=verb, who="11", chat="c", message="no card")
    async with harness.store.writing() as session:
        assert await perform_chat_action(harness.context(session), "square", "telegram", action) is None


def with_identity(harness: Harness, slug: str, identity: str, **fields) -> ConfigurationFile:
    [member] = [member for _, member in harness.configuration.members if member.slug == slug]
    return ConfigurationFile(members=(msgspec.structs.replace(member, identities={"telegram": identity}, **fields),))


async def test_what_was_done_before_a_refusal_is_rolled_back(harness: Harness, monkeypatch: pytest.MonkeyPatch):
    case = await harness.case()

    async def claim_and_refuse(request, _form):
        await claim(request.context, request.case_id, request.member_id)
        raise Refused("No.")

    monkeypatch.setitem(ACTIONS, "claim", replace(ACTIONS["claim"], handler=claim_and_refuse))
    assert await attempt(harness, "11", ACTIONS["claim"], case.id) == "No."
    assert (await harness.get(Case, case.id)).state == "waiting"
