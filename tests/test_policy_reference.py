"""docs/policies.md says what the models say."""

from __future__ import annotations

from tests.markdown import ROOT
from tests.policy_reference import policy_reference


def test_the_reference_is_what_the_models_say(update_goldens: bool) -> None:
    page = ROOT / "docs/policies.md"
    if update_goldens:
        page.write_text(policy_reference())
    assert page.read_text() == policy_reference()
