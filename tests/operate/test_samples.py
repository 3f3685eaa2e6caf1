"""The body that `make smoke` and the test of a key send."""

from tools.operate.samples import mint_body


def test_a_field_gets_the_first_value_of_its_list() -> None:
    assert mint_body({"avatarId": ["b", "a"], "role": ["subscriber", "publisher"]}, {}) == {
        "avatarId": "a",
        "role": "publisher",
    }


def test_the_public_value_of_a_field_comes_first() -> None:
    assert mint_body({"region": ["ap-northeast", "us-west"]}, {"region": "us-west"}) == {"region": "us-west"}


def test_a_list_that_names_no_value_leaves_its_field_out() -> None:
    assert mint_body({"avatarId": ["*"], "channel": []}, {}) == {}
