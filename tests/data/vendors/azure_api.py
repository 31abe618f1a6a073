"""Azure AI Model Inference: answers built with the azure-ai-inference SDK's classes."""

from typing import Final

from azure.ai.inference.models import ChatCompletions

from tests.data.vendors.wire import Json, built_for_azure


def chat(answer_id: str, model: str) -> Json:
    """A chat with a model of the catalogue."""
    message = {"role": "assistant", "content": "a"}
    fields = {
        "id": answer_id,
        "created": 1795187045,
        "model": model,
        "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
        "usage": {"prompt_tokens": 40, "completion_tokens": 7, "total_tokens": 47},
    }
    made = built_for_azure(ChatCompletions, fields)
    # By hand: `object` and cached tokens come with DeepSeek and Kimi, but have no class there.
    return made | {"object": "chat.completion", "usage": made["usage"] | CACHED}


CACHED: Final = {"prompt_tokens_details": {"cached_tokens": 32}}
