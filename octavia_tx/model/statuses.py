"""The words for states and kinds, as the v2 API spells them."""

from __future__ import annotations

from enum import StrEnum


class ProvisioningStatus(StrEnum):
    """How far the system is with what was asked of an object."""

    PENDING_CREATE = "PENDING_CREATE"
    PENDING_UPDATE = "PENDING_UPDATE"
    PENDING_DELETE = "PENDING_DELETE"
    ACTIVE = "ACTIVE"
    ERROR = "ERROR"
    DELETED = "DELETED"


class OperatingStatus(StrEnum):
    """How an object fares in traffic."""

    ONLINE = "ONLINE"
    OFFLINE = "OFFLINE"
    DEGRADED = "DEGRADED"
    ERROR = "ERROR"
    DRAINING = "DRAINING"
    NO_MONITOR = "NO_MONITOR"


class Protocol(StrEnum):
    """What a listener speaks to clients, or a pool to members."""

    HTTP = "HTTP"
    HTTPS = "HTTPS"
    TCP = "TCP"
    TERMINATED_HTTPS = "TERMINATED_HTTPS"
    UDP = "UDP"
    SCTP = "SCTP"
    PROMETHEUS = "PROMETHEUS"
    PROXY = "PROXY"
    PROXYV2 = "PROXYV2"


class Algorithm(StrEnum):
    """How a pool chooses a member."""

    ROUND_ROBIN = "ROUND_ROBIN"
    LEAST_CONNECTIONS = "LEAST_CONNECTIONS"
    SOURCE_IP = "SOURCE_IP"
    SOURCE_IP_PORT = "SOURCE_IP_PORT"


class Persistence(StrEnum):
    """What ties a client to a member."""

    SOURCE_IP = "SOURCE_IP"
    HTTP_COOKIE = "HTTP_COOKIE"
    APP_COOKIE = "APP_COOKIE"


class MonitorType(StrEnum):
    """How a health monitor asks a member."""

    HTTP = "HTTP"
    HTTPS = "HTTPS"
    PING = "PING"
    SCTP = "SCTP"
    TCP = "TCP"
    TLS_HELLO = "TLS-HELLO"
    UDP_CONNECT = "UDP-CONNECT"


class L7Action(StrEnum):
    """What an L7 policy does with a request."""

    REJECT = "REJECT"
    REDIRECT_TO_POOL = "REDIRECT_TO_POOL"
    REDIRECT_TO_URL = "REDIRECT_TO_URL"
    REDIRECT_PREFIX = "REDIRECT_PREFIX"


class L7RuleType(StrEnum):
    """Which part of a request an L7 rule looks at."""

    HOST_NAME = "HOST_NAME"
    PATH = "PATH"
    FILE_TYPE = "FILE_TYPE"
    HEADER = "HEADER"
    COOKIE = "COOKIE"
    SSL_CONN_HAS_CERT = "SSL_CONN_HAS_CERT"
    SSL_VERIFY_RESULT = "SSL_VERIFY_RESULT"
    SSL_DN_FIELD = "SSL_DN_FIELD"


class L7Comparison(StrEnum):
    """How an L7 rule compares."""

    EQUAL_TO = "EQUAL_TO"
    STARTS_WITH = "STARTS_WITH"
    ENDS_WITH = "ENDS_WITH"
    CONTAINS = "CONTAINS"
    REGEX = "REGEX"


class ClientAuthentication(StrEnum):
    """Whether a TLS listener asks its clients for a certificate."""

    NONE = "NONE"
    OPTIONAL = "OPTIONAL"
    MANDATORY = "MANDATORY"


class Topology(StrEnum):
    """How many amphorae serve a load balancer, and how they share the work."""

    SINGLE = "SINGLE"
    ACTIVE_STANDBY = "ACTIVE_STANDBY"


class AmphoraState(StrEnum):
    """Where an amphora is in its life; see C{controller/lifecycle.py}."""

    REQUESTED = "REQUESTED"
    BOOTING = "BOOTING"
    READY = "READY"
    ALLOCATED = "ALLOCATED"
    DRAINING = "DRAINING"
    DELETING = "DELETING"
    DELETED = "DELETED"
    FAILED = "FAILED"


class AmphoraRole(StrEnum):
    """What an amphora is to its load balancer."""

    STANDALONE = "STANDALONE"
    MASTER = "MASTER"
    BACKUP = "BACKUP"
