"""RunLater's users and keys, for /openapi.json. Their words and quirks are in api/dialects/runlater_users.py."""

from chalicelib.api.openapi import JSON, TEXT, Description, Operation, a, either, record

LABEL = a("Key label", pattern="^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")
ACCOUNT = a("Account name", pattern="^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")
PROFILE = {
    name: a(name, maxLength=4096) for name in ("first", "last", "company", "address", "state", "country", "postal")
}
EMAIL, PASSWORD = (
    a("An e-mail address", format="email"),
    a("A password", minLength=1, maxLength=1024, format="password"),
)
USER = record({"account": TEXT, "email": TEXT, "_id": TEXT, "created": TEXT}, PROFILE)
SECRETS = {"type": "object", "additionalProperties": TEXT}
WHERE = {"account": ACCOUNT}

DESCRIPTION = Description(
    title="RunLater's users and their API keys",
    proofs={
        "password": {
            "type": "apiKey",
            "in": "header",
            "name": "runlater_password",
            "description": "The password of the account in the path",
        }
    },
    refusal={JSON: record({"error": TEXT})},
    refused=(400, 429, 500, 503),
    operations={
        "/users": {
            "GET": Operation(summary="Refused: users are not listed", proofs=()),
            "PUT": Operation(
                summary="Sign up",
                answers={201: {JSON: USER}},
                body={JSON: record({"account": ACCOUNT, "email": EMAIL, "password": PASSWORD}, PROFILE)},
                proofs=(),
            ),
        },
        "/users/{account}": {
            "GET": Operation(summary="The user", answers={200: {JSON: USER}}, path=WHERE),
            "PUT": Operation(
                summary="Change what is sent; the name stays",
                answers={200: {JSON: USER}},
                path=WHERE,
                body={JSON: record({}, {"email": EMAIL, "password": PASSWORD, **PROFILE})},
            ),
            "DELETE": Operation(
                summary="Delete the user and all keys", answers={200: {"text/plain": TEXT}}, path=WHERE
            ),
        },
        "/users/{account}/apikeys": {
            "GET": Operation(
                summary="The keys, with their secrets",
                answers={200: {JSON: either(SECRETS, {"type": "array", "maxItems": 0})}},
                path=WHERE,
            ),
        },
        "/users/{account}/apikeys/{ref}": {
            "PUT": Operation(
                summary="A new key under this label",
                answers={201: {JSON: record({"public": TEXT, "private": TEXT})}},
                path={**WHERE, "ref": LABEL},
            ),
            "DELETE": Operation(
                summary="Delete a key", answers={200: {JSON: record({"message": TEXT})}}, path={**WHERE, "ref": LABEL}
            ),
        },
    },
)
