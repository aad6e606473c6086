import pytest

from models.saved_reply import fill, problem


@pytest.mark.parametrize("text", ["Ciao {{ name }}", "{% if link %}vedi {{ link }}{% endif %}", "100 % {ok}", ""])
def test_names_and_sections_are_possible(text: str):
    assert problem(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "{{ name",
        "{% if x %}",
        "{{ ''.__class__ }}",
        "{{ name.upper() }}",
        "{{ range(10**9) }}",
        "{% for x in y %}{% endfor %}",
        "{{ 'a' * 10**9 }}",
        "{% set x = 1 %}",
        "{{ name|attr('x') }}",
        "{% include 'x' %}",
    ],
)
def test_anything_that_would_run_is_refused(text: str):
    assert problem(text)


def test_what_is_filled_in_is_never_read_again():
    assert fill("{{ name }} {{ other }}", {"name": "{{ other }}", "other": "secret"}) == "{{ other }} secret"
