import pytest

from goldenpair.data.labels import near_pass, no_value, sounds_good


@pytest.mark.parametrize(
    ("label", "near", "good", "nothing"),
    [
        ("PASS", False, False, False),
        ("pass", True, False, False),
        (" PASS", True, False, False),
        ("P_A_S_S.", True, False, False),
        ("PASSED", False, True, False),
        (" ok", False, True, False),
        ("", False, False, True),
        ("  ", False, False, True),
        ("nan", False, False, True),
        ("#N/A", False, False, True),
        ("MISSING", False, False, False),
        ("COMPASS", False, False, False),
    ],
)
def test_texts_that_are_no_names_of_defects(label, near, good, nothing):
    assert (near_pass(label), sounds_good(label), no_value(label)) == (near, good, nothing)
