"""A stand-in for Azure Event Hubs: plain AMQP, no credentials checked, one SQLite file."""

from local.event_hubs.broker import HubSpec, SendFault
from local.event_hubs.server import EventHubsServer

__all__ = ["EventHubsServer", "HubSpec", "SendFault"]
