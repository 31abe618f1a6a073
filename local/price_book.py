"""The example price book, for the demo traffic of this machine."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from local.environment import ROOT
from usage_ingest import wiring
from usage_ingest.chargeback.imports.own import read_yaml
from usage_ingest.chargeback.ports import Import
from usage_ingest.chargeback.reference_document import content_id, to_document
from usage_ingest.settings import load_settings

EXAMPLE: Final = ROOT / "examples/reference.yaml"


async def import_price_book(settings: Mapping[str, str], file: Path = EXAMPLE) -> Import:
    """Import a file of ours into the app of the settings; a second time it changes nothing.

    Raises:
        SystemExit: The file is wrong.
    """
    documents = _documents(file)
    app = wiring.build(load_settings(settings))
    try:
        return await app.reference.append(file.name, content_id(documents), documents)
    finally:
        await app.close()


def _documents(file: Path) -> list[dict[str, Any]]:
    found = read_yaml(file.read_text(encoding="utf-8"), file.name)
    if found.problems:
        raise SystemExit("\n".join(str(each) for each in found.problems))
    return [to_document(each.noun) for each in found.nouns]
