"""Secrets are masked wherever they stand, and nothing else is."""

from warehouse.secrets import mask


def test_a_secret_is_masked_in_text_as_it_is_and_percent_encoded():
    assert mask("GET https://host/?key=s3cr3t/+x&b=1", ["s3cr3t/+x"]) == "GET https://host/?key=***&b=1"
    assert mask("GET https://host/?key=s3cr3t%2F%2Bx", ["s3cr3t/+x"]) == "GET https://host/?key=***"


def test_it_is_masked_in_json_values_of_any_depth():
    value = {"errors": [{"message": "key hunter22 refused", "hunter22": 1}], "count": 3, "share": None}
    assert mask(value, ["hunter22"]) == {
        "errors": [{"message": "key *** refused", "***": 1}],
        "count": 3,
        "share": None,
    }


def test_what_is_too_short_to_be_a_secret_spoils_no_text():
    assert mask("a b c", ["a", ""]) == "a b c"
