"""The app's identity in Azure: one DefaultAzureCredential, made only where something needs it."""

from azure.core.credentials_async import AsyncTokenCredential


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
