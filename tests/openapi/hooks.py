"""What the fuzzer has to know about the API beyond JSON Schema."""

import schemathesis
from hypothesis import strategies as st
from schemathesis.checks import CHECKS

# Failures that depend on the state of the tenant, which no schema describes: the key was used before, the object has
# another version, the id names nothing, the moment is over. The text of an admission rule has a grammar of its own.
STATE_DEPENDENT = {
    "idempotency_key_reused",
    "invalid_reference",
    "invalid_rule",
    "precondition_failed",
}
STATE_DEPENDENT_MESSAGES = {
    "is in this resource already",
    "must be in the future",
    "must be at most 30 days from now",
}
# Fields that only policies of some types have. The type is in the request or, for PATCH, in the stored policy.
OF_POLICY_TYPES = (
    "is for policies of type ",
    "are for policies of type ",
    "has no meaning for policies of type ",
    "have no meaning for policies of type ",
    "must be true for policies of type ",
    "must name at least one gateway",
    "must have at least one address or range of the site",
)
# An order names every policy that there is.
INCOMPLETE = "must be complete; missing: "
# Overlay, loopback and the like: the tenant's own range is among them.
RESERVED = "which no resource can have"


@schemathesis.check
def valid_request_accepted(ctx, response, case):
    """positive_data_acceptance, but for failures that come from the state."""
    if response.status_code in (400, 412, 422) and depends_on_state(response.json()):
        return None
    return CHECKS.get_one("positive_data_acceptance")(ctx, response, case)


def depends_on_state(problem):
    messages = {error["message"] for error in problem.get("errors", [])}
    return problem["code"] in STATE_DEPENDENT or (bool(messages) and all(is_of_state(text) for text in messages))


def is_of_state(message):
    if message in STATE_DEPENDENT_MESSAGES or message.endswith(RESERVED):
        return True
    return message.startswith((INCOMPLETE, *OF_POLICY_TYPES))


ports = st.integers(min_value=1, max_value=65535)
ranges = st.tuples(ports, ports).filter(lambda pair: pair[0] < pair[1]).map(lambda pair: f"{pair[0]}-{pair[1]}")
schemathesis.openapi.format("port-range", ranges)
schemathesis.openapi.format("port-or-range", ports.map(str) | ranges)
