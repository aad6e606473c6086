import pytest

from models.saved_reply_template import fill, syntax_error


@pytest.mark.parametrize("text", ["Ciao {{ name }}", "{% if link %}vedi {{ link }}{% endif %}", "100 % {ok}", ""])
def test_placeholders_and_conditions_are_allowed(text: str):
    assert syntax_error(text) is None


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
def test_anything_that_would_run_code_is_refused(text: str):
    assert syntax_error(text)


def test_filled_in_values_are_not_rendered_again():
    assert fill("{{ name }} {{ other }}", {"name": "{{ other }}", "other": "secret"}) == "{{ other }} secret"
