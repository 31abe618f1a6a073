"""A stand-in for Azure Event Hubs: the azure-eventhub SDK talks to it over plain AMQP.

For development and tests on one machine: it listens on the loopback address, checks no
credentials and keeps its events in one SQLite file.
"""

from local.event_hubs.broker import HubSpec
from local.event_hubs.server import EventHubsServer

__all__ = ["EventHubsServer", "HubSpec"]
