"""The app's identity in Azure: one DefaultAzureCredential, made only where something needs it."""

from typing import Any

from azure.core.credentials import AccessToken
from azure.core.credentials_async import AsyncTokenCredential

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


class LocalToken(AsyncTokenCredential):
    """A fixed token, for a stand-in on this machine that takes any."""

    async def get_token(self, *_scopes: str, **_options: Any) -> AccessToken:  # noqa: ANN401
        """Return the token."""
        return AccessToken("local", _FAR_AHEAD)

    async def close(self) -> None:
        """Nothing is open."""

    async def __aexit__(self, *_: object) -> None:
        """Nothing is open."""
