"""Gemini: usage metadata and answers, built with the google-genai SDK's classes."""

from typing import Any, Final

from google.genai.types import (
    GenerateContentResponse,
    GenerateContentResponseUsageMetadata,
    UsageMetadata,
)

from tests.data.vendors.wire import Json, built


def by_modality(**counts: int) -> list[Json]:
    """Token counts by modality."""
    return [{"modality": name, "tokenCount": count} for name, count in counts.items()]


def usage(**fields: Any) -> Json:
    """Usage of an answer."""
    return built(GenerateContentResponseUsageMetadata, fields)


EVERY_DETAIL: Final = usage(
    promptTokenCount=1200,
    cachedContentTokenCount=1024,
    candidatesTokenCount=80,
    thoughtsTokenCount=210,
    toolUsePromptTokenCount=45,
    totalTokenCount=1535,
    promptTokensDetails=by_modality(TEXT=942, IMAGE=258),
    cacheTokensDetails=by_modality(TEXT=1024),
    candidatesTokensDetails=by_modality(TEXT=80),
    toolUsePromptTokensDetails=by_modality(TEXT=45),
    trafficType="ON_DEMAND",
)
LIVE: Final = built(
    UsageMetadata,
    {
        "promptTokenCount": 340,
        "responseTokenCount": 120,
        "thoughtsTokenCount": 16,
        "totalTokenCount": 476,
        "promptTokensDetails": by_modality(AUDIO=300, TEXT=40),
        "responseTokensDetails": by_modality(AUDIO=120),
        "serviceTier": "standard",
    },
)


def answer(candidates: int, thoughts: int = 0) -> Json:
    """An answer, or a chunk of one; a chunk tells the usage so far."""
    counts = {
        "promptTokenCount": 8,
        "candidatesTokenCount": candidates,
        "totalTokenCount": 8 + candidates + thoughts,
    }
    said = {"parts": [{"text": "a"}], "role": "model"}
    fields = {
        "candidates": [{"content": said, "index": 0}],
        "usageMetadata": usage(**counts, **({"thoughtsTokenCount": thoughts} if thoughts else {})),
        "modelVersion": "gemini-3-pro-001",
        "responseId": "mAqfaLHk",
    }
    return built(GenerateContentResponse, fields)
