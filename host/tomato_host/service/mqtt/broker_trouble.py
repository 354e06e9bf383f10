"""What a broker's refusal means and what to do about it: one text for the event, the log and `doctor`."""

from __future__ import annotations

import aiomqtt

TAKEN_OVER = 142
"""MQTT 5, 4.13: session taken over: another client has connected with the same identifier."""
NOT_AUTHORISED = 135
TOPIC_STEP = "let this user read and write tomato/<node>/# and the discovery prefix"
TAKEN_OVER_TEXT = (
    "another client has connected as this node, a second host with the same [mqtt] node most likely",
    "give each host a [mqtt] node of its own",
)

MEANINGS: dict[int, tuple[str, str]] = {
    4: ("wrong user name or password", "check [mqtt] username and its password variable"),
    5: ("not authorised", "allow this user at the broker"),
    128: ("the broker refused the connection", "its log says why"),
    133: ("the broker refused the client's identifier", "choose another [mqtt] node"),
    134: ("wrong user name or password", "check [mqtt] username and its password variable"),
    NOT_AUTHORISED: (
        "not authorised: wrong user name or password, or a client that may not connect",
        "check [mqtt] username",
    ),
    136: ("the broker is not available", "it will be tried again"),
    137: ("the broker is busy", "it will be tried again"),
    TAKEN_OVER: TAKEN_OVER_TEXT,
    151: ("the broker's quota is exceeded", "raise the limits for this client at the broker"),
}
"""By MQTT reason code (5: CONNACK and DISCONNECT; 4 and 5: CONNACK of MQTT 3.1.1)."""


class TakenOver(Exception):
    """Another host has spoken as this node since our last connection, again and again."""


class TopicRefused(Exception):
    """The broker does not let this user subscribe or publish to a topic."""

    def __init__(self, topic: str, code: int) -> None:
        super().__init__(topic, code)
        self.topic = topic
        self.code = code


def reason_code(error: BaseException) -> int | None:
    """The MQTT reason code in an error or in its cause; None for an error of the network."""
    if isinstance(error, TopicRefused):
        return error.code
    for link in (error, error.__cause__):
        if isinstance(link, aiomqtt.MqttCodeError):
            value = getattr(link.rc, "value", link.rc)
            return value if isinstance(value, int) else None
    return None


def trouble_text(error: BaseException) -> str:
    """Cause and next step in one line."""
    code = TAKEN_OVER if isinstance(error, TakenOver) else reason_code(error)
    if isinstance(error, TopicRefused):
        return f"not authorised for the topic {error.topic} (code {error.code}); {TOPIC_STEP}"
    if code in MEANINGS:
        cause, step = MEANINGS[code]
        return f"{cause} (code {code}); {step}"
    if "CERTIFICATE" in str(error).upper():
        return f"the broker's certificate is not trusted ({error}); check [mqtt] host, tls and the certificate"
    return f"the broker does not answer ({error})"
