import inspect
import re

from usage_ingest.chargeback.closing import UNPRICED
from usage_ingest.chargeback.page_trust import REASONS
from usage_ingest.completeness import completeness
from usage_ingest.metrics.watermark import NOTES


def test_every_reason_why_a_report_is_incomplete_has_words() -> None:
    (listed,) = re.findall(
        r"reasons = \{\n(.*?)\n    \}", inspect.getsource(completeness), re.DOTALL
    )
    codes = re.findall(r'^        "(\w+)":', listed, re.MULTILINE)

    assert len(codes) >= 7
    assert set(REASONS) == {*codes, *NOTES, UNPRICED}
