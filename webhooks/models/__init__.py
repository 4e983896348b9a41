"""Where to report, and what has been or is to be reported."""

from webhooks.models.delivery import Delivery, DeliveryStatus, Failure, Reply
from webhooks.models.endpoint import DisabledReason, Endpoint

__all__ = ["Delivery", "DeliveryStatus", "DisabledReason", "Endpoint", "Failure", "Reply"]
