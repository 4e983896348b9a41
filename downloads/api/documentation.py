"""The API's description, and two ways to read it, made of our own static files only: nothing is fetched elsewhere."""

from __future__ import annotations

from csp.constants import NONCE, SELF
from csp.decorators import csp_update
from drf_spectacular.views import SpectacularJSONAPIView, SpectacularRedocView, SpectacularSwaggerSplitView

from downloads.api.negotiation import AnyFormat


class SchemaView(SpectacularJSONAPIView):
    content_negotiation_class = AnyFormat
    throttle_classes = ()


class SwaggerView(SpectacularSwaggerSplitView):
    url_name = "api:schema"
    template_name = "api/swagger.html"
    content_negotiation_class = AnyFormat
    throttle_classes = ()


class RedocView(SpectacularRedocView):
    url_name = "api:schema"
    template_name = "api/redoc.html"
    content_negotiation_class = AnyFormat
    throttle_classes = ()


schema = SchemaView.as_view()
swagger = SwaggerView.as_view()
# ReDoc makes its styles at run time.
redoc = csp_update({"style-src": [SELF, NONCE]})(RedocView.as_view())
