"""RunLater's users and their keys: /users/, /users/:account, /users/:account/apikeys/. Source: seeds/000.

The paths and documents are the original system's own, as the seed names the fields of an account and leaves its HTTP
open. Kept on purpose: refusals are always 400; the list of the keys shows their secrets to whoever has the password.
Interpreted: sign-up needs what the seed says, account, email and password; the original's other fields may come too. An
update changes what it sends, never the name. A password and its hash are in no answer. Wrong password and unknown user
are one refusal, and 429 after ten of them from one address. Deleted users' jobs are not sent any more. No label may
look like a UUID, as other APIs' keys do. An account's id stands for its name.
"""

from collections.abc import Mapping

from chalicelib.api.dialect import Dialect
from chalicelib.api.fields import json_object
from chalicelib.api.http import Request, Response
from chalicelib.api.runlater import (
    SHAPED_LIKE_KEY,
    answered,
    header,
    key_named,
    label,
    limited,
    param,
    refused,
    told,
    user_document,
)
from chalicelib.operations.accounts import (
    NewAccount,
    add_key,
    change_account,
    open_account,
    remove_account,
    remove_key,
)
from chalicelib.operations.accounts import list_keys as keys_of
from chalicelib.operations.login import Login, log_in
from chalicelib.ports import Services
from chalicelib.scheduling.account import Account
from chalicelib.scheduling.errors import BelltowerError, Invalid, NotFound, Problem, Taken, Unauthenticated
from chalicelib.scheduling.secret import Secret

NAME = "runlater_users"
PROFILE = ("first", "last", "company", "address", "state", "country", "postal")
LIMITS = dict.fromkeys(("account", "email", "password", *PROFILE), 4096)  # bytes
WORDS = {
    "account": "Invalid or duplicated account name",
    "email": "Invalid or duplicated email address",
    "password": "Invalid password",
}


def list_users(_services: Services, _request: Request) -> Response:
    """GET /users."""
    raise Invalid("", "Viewing all Users is not allowed")


def create_user(services: Services, request: Request) -> Response:
    """PUT /users/: the only call without a proof."""
    document = json_object(request)
    fields = limited(document, LIMITS)
    if "_id" in document:
        raise Invalid("", "Do not specify _id")
    if "password" not in fields or not (fields.get("account") and fields.get("email")):
        raise Invalid("", "Missing Keys")
    account = open_account(services, parsed(fields, profile={}))
    return answered(user_document(account), status=201)


def read_user(services: Services, request: Request) -> Response:
    """GET /users/:account."""
    return answered(user_document(authenticated(services, request)))


def change_user(services: Services, request: Request) -> Response:
    """PUT /users/:account: what is not sent stays."""
    login = logged_in(services, request)
    account = login.account
    fields = {"email": account.email} | limited(json_object(request), LIMITS)
    if fields.get("account", account.name) != account.name:
        raise Invalid("account", "cannot be changed")
    changed = change_account(services, account, parsed(fields, profile=account.profile), proven=login.hashed)
    return answered(user_document(changed))


def delete_user(services: Services, request: Request) -> Response:
    """DELETE /users/:account."""
    account = authenticated(services, request)
    remove_account(services, account)
    return told(f"Delete {account.name}")


def list_keys(services: Services, request: Request) -> Response:
    """GET /users/:account/apikeys/: with their secrets."""
    issued = keys_of(services, authenticated(services, request))
    return answered({label(one.key.key): one.secret.reveal() for one in issued} or [])


def create_key(services: Services, request: Request) -> Response:
    """PUT /users/:account/apikeys/:name."""
    account, wanted = authenticated(services, request), param(request, "ref")
    if SHAPED_LIKE_KEY.fullmatch(wanted.lower()):
        raise Invalid("key", "must not look like a UUID")
    try:
        issued = add_key(services, account, wanted)
    except Taken:
        raise Invalid("", f"API key {wanted} already created") from None
    return answered({"public": wanted, "private": issued.secret.reveal()}, status=201)


def delete_key(services: Services, request: Request) -> Response:
    """DELETE /users/:account/apikeys/:name."""
    account, wanted = authenticated(services, request), param(request, "ref")
    remove_key(services, account, key_named(account, wanted))
    return answered({"message": "API Key Deleted"})


def authenticated(services: Services, request: Request) -> Account:
    """The account in the path, by its password."""
    return logged_in(services, request).account


def logged_in(services: Services, request: Request) -> Login:
    """The account in the path, and what its password proved."""
    try:
        password = Secret(header(request, "password"))
        return log_in(services, param(request, "account"), password, source=request.source)
    except Unauthenticated:
        raise Unauthenticated("Unable to find user") from None


def parsed(fields: Mapping[str, str], *, profile: Mapping[str, str]) -> NewAccount:
    """What the fields of a user ask for, over the profile there is."""
    return NewAccount(
        email=fields["email"],
        name=fields.get("account", ""),
        password=Secret(fields["password"]) if "password" in fields else None,
        profile={**profile, **{name: fields[name] for name in PROFILE if name in fields}},
    )


def render_error(error: BelltowerError) -> Response:
    """The original's words."""
    match error:
        case NotFound(kind="API key", identifier=key):
            return refused(error, f"API Key {label(key)} Not Found")
        case Taken(field=field) | Invalid(problems=(Problem(field=field), *_)) if field in WORDS:
            return refused(error, WORDS[field])
    return refused(error, str(error))


DIALECT = Dialect(
    name=NAME,
    routes={
        "/users": {"GET": list_users, "PUT": create_user},
        "/users/{account}": {"GET": read_user, "PUT": change_user, "DELETE": delete_user},
        "/users/{account}/apikeys": {"GET": list_keys},
        "/users/{account}/apikeys/{ref}": {"PUT": create_key, "DELETE": delete_key},
    },
    render_error=render_error,
)
