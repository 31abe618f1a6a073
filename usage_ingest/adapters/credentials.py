"""The app's identity in Azure: one DefaultAzureCredential, made only where something needs it."""

import base64
from typing import Any

import orjson
from azure.core.credentials import AccessToken
from azure.core.credentials_async import AsyncTokenCredential
from azure.core.exceptions import ClientAuthenticationError

from usage_ingest.errors import ConfigError

_FAR_AHEAD = 4_102_444_800  # 2100-01-01: it never expires


class Credentials:
    """Makes the credential at first use and closes it."""

    def __init__(self) -> None:
        """Make nothing yet."""
        self._credential: AsyncTokenCredential | None = None

    def default(self) -> AsyncTokenCredential:
        """Return the credential of the app's managed identity, or of the developer."""
        from azure.identity.aio import DefaultAzureCredential  # noqa: PLC0415 - slow to import

        if self._credential is None:
            self._credential = DefaultAzureCredential()
        return self._credential

    async def close(self) -> None:
        """Close the credential, if one was made."""
        if self._credential is not None:
            await self._credential.close()


async def holder(credential: AsyncTokenCredential, scope: str) -> str:
    """Return whom a token for a service is of, as far as the token says.

    Raises:
        ConfigError: There is no token.
    """
    try:
        token = (await credential.get_token(scope)).token
    except ClientAuthenticationError as error:
        raise ConfigError(f"No token: {_first_reason(error)}") from error
    return _named_in(token)


def _first_reason(error: ClientAuthenticationError) -> str:
    lines = [each.strip() for each in str(error).splitlines() if each.strip()]
    return " ".join(lines[:2])[:300]


def _named_in(token: str) -> str:
    """Read the name in a token's claims; it is the service's business to verify it."""
    try:
        part = token.split(".")[1]
        claims = orjson.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
        name = claims.get("upn") or claims.get("appid") or claims.get("azp") or "an identity"
        return f"{name} (object id {claims.get('oid', 'unknown')})"
    except (IndexError, ValueError, AttributeError):
        return "an identity that the token does not name"


class LocalToken(AsyncTokenCredential):
    """A fixed token, for a stand-in on this machine that takes any."""

    async def get_token(self, *_scopes: str, **_options: Any) -> AccessToken:  # noqa: ANN401
        """Return the token."""
        return AccessToken("local", _FAR_AHEAD)

    async def close(self) -> None:
        """Nothing is open."""

    async def __aexit__(self, *_: object) -> None:
        """Nothing is open."""
