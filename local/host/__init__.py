"""A stand-in for the Azure Functions host: it drives a Python v2 function app on this machine."""

from local.host.host import FunctionsHost
from local.host.indexing import HostError

__all__ = ["FunctionsHost", "HostError"]
