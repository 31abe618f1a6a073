"""The payloads of tests/data/usage that an API could have sent."""

from typing import Final

from tests.data.vendors import anthropic_api, azure_api, bedrock_api, google_api, openai_api
from tests.data.vendors.openai_api import (
    before_cache_writes,
    chat_usage,
    detailed_usage,
    realtime_usage,
    responses_usage,
)
from tests.data.vendors.wire import Json

_CLAUDE: Final = "eu.anthropic.claude-sonnet-5-v1:0"
_GPT: Final = "openai.gpt-5.6"


def usages() -> dict[str, Json]:
    """Return every payload by its name."""
    return {
        **_openai(),
        **_responses(),
        **_other_units(),
        **_anthropic(),
        **_bedrock(),
        **_gemini(),
    }


def _of(provider: str | None, usage: Json, **hints: str) -> Json:
    return {"provider": provider, **hints, "usage": usage}


def _openai() -> dict[str, Json]:
    audio = chat_usage(
        1121,
        423,
        {"cached_tokens": 0, "text_tokens": 321, "audio_tokens": 600, "image_tokens": 200},
        {"reasoning_tokens": 0, "text_tokens": 89, "audio_tokens": 334},
    )
    prediction = chat_usage(
        301,
        148,
        {"cached_tokens": None},
        {
            "reasoning_tokens": 0,
            "audio_tokens": None,
            "accepted_prediction_tokens": 98,
            "rejected_prediction_tokens": 22,
        },
    )
    cached = chat_usage(
        2006,
        300,
        {"cached_tokens": 1920, "cache_write_tokens": 64, "audio_tokens": 0},
        detailed_usage(0, 0, 0)["completion_tokens_details"],
    )
    xai = chat_usage(32, 9, answered={"reasoning_tokens": 94})
    foundry = azure_api.chat("1", "deepseek-v4")["usage"]
    return {
        "chat-audio": _of("openai", audio),
        "chat-cached": _of("openai", cached),
        "chat-details-null": _of("openai", chat_usage(10, 5, None, None)),
        "chat-plain": _of("openai", chat_usage(9, 12)),
        "chat-prediction": _of("openai", prediction),
        "chat-reasoning": _of(
            "openai", chat_usage(75, 1186, {"cached_tokens": 0}, {"reasoning_tokens": 1024})
        ),
        "completions": _of("openai", openai_api.completion(chat_usage(15, 16), "1", "m")["usage"]),
        "embeddings": _of("openai", openai_api.embeddings(512, [0.1])["usage"]),
        "model-inference": _of("azure_ai", foundry),
        # By hand: xAI's total is the sum of three.
        "xai-reasoning-outside-output": _of("xai", xai | {"total_tokens": 135}),
    }


def _responses() -> dict[str, Json]:
    lifetimes = {"ttl_30m_tokens": 1024, "ttl_12h_tokens": 1024}
    writes = responses_usage(
        4000,
        900,
        640,
        cached_tokens=1024,
        cache_write_tokens=2048,
        cache_write_tokens_details=lifetimes,
    )
    plain = responses_usage(36, 87, 0)
    drawn = openai_api.response(
        "resp_1", "completed", plain, tool_usage=openai_api.tool_usage(3, openai_api.IMAGE_USAGE)
    )
    return {
        "responses-cache-writes": _of("openai", writes),
        "responses-plain": _of("openai", before_cache_writes(plain)),
        # As usage_ingest/events/body.py hands it on: what the tools used stands beside `usage`.
        "responses-tools": _of("openai", plain | {"tool_usage": drawn["tool_usage"]}),
    }


def _other_units() -> dict[str, Json]:
    split = {"cached_tokens_details": {"text_tokens": 8, "audio_tokens": 16}}
    drawn, drawn_as_svg = openai_api.IMAGE_USAGE, openai_api.SVG_USAGE
    return {
        "image-generation": _of("openai", drawn),
        "images-svg": _of("openai", drawn | {"svg_usage": drawn_as_svg}, api_kind="images"),
        "live-session-running-total": _of("openai", openai_api.LIVE_SESSION),
        "realtime-cached-by-modality": _of(None, realtime_usage(50, 5, split)),
        "realtime-response": _of("openai", openai_api.realtime_response(225), api_kind="realtime"),
        "transcription-duration": _of("openai", openai_api.DURATION),
        "transcription-tokens": _of("openai", openai_api.TOKENS),
    }


def _anthropic() -> dict[str, Json]:
    usage, iteration = anthropic_api.usage, anthropic_api.iteration
    split = {"ephemeral_5m_input_tokens": 300, "ephemeral_1h_input_tokens": 200}
    compaction = iteration(
        "compaction",
        180000,
        3500,
        cache_read_input_tokens=1024,
        cache_creation_input_tokens=512,
        cache_creation={"ephemeral_5m_input_tokens": 512, "ephemeral_1h_input_tokens": 0},
    )
    advice = iteration("advisor_message", 823, 1612, model="claude-opus-5")
    return {
        "anthropic-by-its-keys": _of(
            None,
            usage(
                input_tokens=21,
                cache_creation_input_tokens=None,
                cache_read_input_tokens=None,
                output_tokens=5,
            ),
        ),
        "anthropic-every-detail": _of("anthropic", anthropic_api.EVERY_DETAIL),
        "anthropic-messages": _of(
            "anthropic",
            usage(
                input_tokens=21,
                cache_creation_input_tokens=188086,
                cache_read_input_tokens=0,
                output_tokens=393,
                service_tier="standard",
            ),
        ),
        "anthropic-split-below-total": _of(
            None,
            usage(
                input_tokens=10,
                cache_creation_input_tokens=1000,
                cache_read_input_tokens=0,
                cache_creation=split,
                output_tokens=5,
            ),
        ),
        "anthropic-compaction": _of(
            "anthropic",
            anthropic_api.iterated_usage(compaction, iteration("message", 23000, 1000)),
        ),
        "anthropic-advisor": _of(
            "anthropic",
            anthropic_api.iterated_usage(
                iteration("message", 412, 89), advice, iteration("message", 1348, 442)
            ),
        ),
    }


def _bedrock() -> dict[str, Json]:
    outside, inside = bedrock_api.CACHE_OUTSIDE, bedrock_api.CACHE_INSIDE
    return {
        "bedrock-anthropic": _of("bedrock", outside, model=_CLAUDE),
        "bedrock-no-model-inside": _of(None, inside),
        "bedrock-openai": _of("bedrock", inside, model=_GPT),
        "bedrock-openai-cache-in-the-total": _of("bedrock", outside, model=_GPT),
        "bedrock-plain": _of("bedrock", bedrock_api.usage(20, 3, 23)),
    }


def _gemini() -> dict[str, Json]:
    thought = google_api.usage(promptTokenCount=12, thoughtsTokenCount=1000, totalTokenCount=1012)
    return {
        "gemini-every-detail": _of("google", google_api.EVERY_DETAIL),
        "gemini-live": _of("google", google_api.LIVE),
        "gemini-thought-only": _of("google", thought),
    }
