"""Settings of a Django project that serves SCIM by django-scim2 on PostgreSQL.

From the environment: SCIM_PORT, where it listens, and SCIM_DATABASE, the folder of PostgreSQL's socket.
"""

import os

SECRET_KEY = "a test server signs nothing"
ALLOWED_HOSTS = ["*"]
INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth", "django_scim", "provisioned"]
MIDDLEWARE = [
    "django.middleware.common.CommonMiddleware",
    "provisioned.middleware.bearer_token",
    "django_scim.middleware.SCIMAuthCheckMiddleware",
]
ROOT_URLCONF = "urls"
AUTH_USER_MODEL = "provisioned.User"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "HOST": os.environ["SCIM_DATABASE"],
        "NAME": "postgres",
        "USER": "scim",
        # A thread keeps its connection, as a deployed application does.
        "CONN_MAX_AGE": 60,
    }
}

# NETLOC is where the server believes that it is: it goes into every location, whatever Host a request names.
SCIM_SERVICE_PROVIDER = {
    "SCHEME": "http",
    "NETLOC": f"127.0.0.1:{os.environ['SCIM_PORT']}",
    "GROUP_MODEL": "provisioned.models.Group",
    "WWW_AUTHENTICATE_HEADER": 'Bearer realm="django-scim2"',
    "AUTHENTICATION_SCHEMES": [
        {
            "type": "oauthbearertoken",
            "name": "OAuth Bearer Token",
            "description": "A bearer token, known beforehand",
        },
    ],
}
