"""Who is asking? django-scim2 leaves that to the application."""

from django.contrib.auth.models import AnonymousUser

TOKEN = "secret"


class ServiceAccount:
    """The provisioning client. It is not a row of the user table, so it does not appear in /Users."""

    is_authenticated = True
    is_anonymous = False


def bearer_token(get_response):
    def middleware(request):
        known = request.headers.get("Authorization") == f"Bearer {TOKEN}"
        request.user = ServiceAccount() if known else AnonymousUser()
        return get_response(request)

    return middleware
