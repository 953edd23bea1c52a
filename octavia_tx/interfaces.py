"""
The contracts between Octavia-TX and whatever stands around it.

Each is a specification: what a call means, what it takes and gives, which errors it may raise, and that it may be
called again. A third party who implements one runs the suite of the same name in L{octavia_tx.testing} against it.

All calls give an awaitable. Unless said otherwise they are I{idempotent}: calling again, also after a call that
failed half-way or whose answer was lost, changes nothing more and gives the same answer. Every call may raise
L{CloudError<octavia_tx.errors.CloudError>} for a failure that may pass; it is then tried again, later.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from datetime import timedelta
from typing import Any

from zope.interface import Attribute, Interface

from octavia_tx.model.amphora import AgentInfo, Amphora, Boot, Machine, Network, Subnet, Vip
from octavia_tx.model.caller import Caller, Presented
from octavia_tx.model.certificates import Bundle, Secrets
from octavia_tx.model.flavor import Terms
from octavia_tx.model.references import Consumer
from octavia_tx.model.resources import AdditionalVip, LoadBalancer
from octavia_tx.model.tree import Tree
from octavia_tx.wire.tls import Credential, Role


class IComputeDriver(Interface):
    """Where amphorae's machines come from. A machine is named by its amphora's id, from before it exists."""

    def ensure(boot: Boot) -> Awaitable[Machine]:
        """
        See to it that the amphora's machine exists and is being started, and return at once.

        A machine that exists already is left as it is, and C{boot.files} are then ignored.

        @raise OutOfResources: there's no room for a further machine.
        """

    def find(amphora_id: str) -> Awaitable[Machine | None]:
        """The machine of that amphora, or C{None} where there's none (never was, or was destroyed)."""

    def list() -> Awaitable[tuple[Machine, ...]]:
        """All machines that this system made, and none of others."""

    def destroy(amphora_id: str) -> Awaitable[None]:
        """Remove the machine and all that it held. When this returns, nothing of it runs. No such machine: no error."""


class INetworkDriver(Interface):
    """Where addresses come from, and how packets reach an amphora."""

    def subnet(subnet_id: str) -> Awaitable[Subnet | None]:
        """A subnet by its id, or C{None}."""

    def network(network_id: str) -> Awaitable[Network | None]:
        """A network by its id, or C{None}."""

    def networks() -> Awaitable[tuple[Network, ...]]:
        """All networks that a tenant may name."""

    def check_vip(load_balancer: LoadBalancer) -> Awaitable[None]:
        """
        Whether a load balancer could have the front end that it asks for, as far as can be told without taking it:
        asked before the load balancer is accepted. Whether its address is free still is told by L{allocate_vip}.

        The additional VIPs are judged too; what is wrong with one is told as C{loadbalancer.additional_vips[0].…}.

        @raise ReferenceMissing: there's no such subnet, network or port.
        @raise InvalidInput: the subnet isn't one of the network, or the address none that a VIP may have, or is
            asked for twice.
        """

    def allocate_vip(load_balancer: LoadBalancer, taken: frozenset[str]) -> Awaitable[Vip]:
        """
        The front-end address of a load balancer, from what it asks: C{vip_address}, C{vip_subnet_id},
        C{vip_network_id}, C{vip_port_id}.

        @param taken: addresses that other load balancers of this system hold.
        @raise AddressUnavailable: the address asked for is taken or not of the subnet, or none is left.
        @raise ReferenceMissing: there's no such subnet, network or port.
        @raise InvalidInput: the subnet isn't one of the network.
        """

    def allocate_additional_vip(
        load_balancer: LoadBalancer, at: int, taken: frozenset[str]
    ) -> Awaitable[AdditionalVip]:
        """
        One of the further front-end addresses of a load balancer, from what C{additional_vips[at]} asks. It is of the
        VIP's network; where it asks for no subnet, of the one that holds its address, else of the first, IPv4 before
        IPv6.

        @param load_balancer: with its VIP as L{allocate_vip} gave it.
        @param taken: addresses of other load balancers, and of this one's other front ends.
        @return: with all its fields.
        @raise AddressUnavailable: as L{allocate_vip}; so are the others.
        @raise ReferenceMissing: there's no such subnet or port.
        @raise InvalidInput: the subnet isn't one of the VIP's network.
        """

    def release_vip(load_balancer: LoadBalancer) -> Awaitable[None]:
        """Give all its addresses back, the additional ones too. Never allocated, or released already: no error."""

    def plug_vip(amphora: Amphora, load_balancer: LoadBalancer) -> Awaitable[None]:
        """See to it that packets for the VIP, and for the additional ones, reach this amphora."""


class IAmphoraDriver(Interface):
    """
    How the controller speaks with amphorae.

    Every call raises L{AmphoraUnreachable<octavia_tx.errors.AmphoraUnreachable>} when there's no answer in time, and
    L{AmphoraRefused<octavia_tx.errors.AmphoraRefused>} when either side's certificate isn't accepted.
    """

    def info(amphora: Amphora) -> Awaitable[AgentInfo]:
        """What its agent says of itself; the way to learn that an amphora is up."""

    def apply(amphora: Amphora, tree: Tree, fence: int, secrets: Secrets) -> Awaitable[None]:
        """
        Make the amphora serve this tree, all of it and nothing more of this load balancer, without dropping a
        connection. When this returns, it does.

        @param tree: the living objects, with the VIP's address known.
        @param fence: the lease's number. An amphora never accepts a lower one than it has seen for the load balancer.
        @param secrets: what the tree's references to certificates stand for; see
            L{references<octavia_tx.model.handshake.references>}. New content alone is applied, too.
        @raise ConfigurationRejected: haproxy refuses it, or a reference stands for nothing; what ran before runs on.
        @raise StaleFence: a newer controller was there.
        """

    def drain(amphora: Amphora, load_balancer_id: str, fence: int) -> Awaitable[int]:
        """
        Have the amphora accept no new connection for the load balancer, and finish those that it has. When this
        returns, it accepts none.

        @return: how many connections it has still, as far as it can tell. One that doesn't serve it: 0.
        @raise StaleFence: a newer controller was there.
        """

    def configure(amphora: Amphora, text: str) -> Awaitable[None]:
        """
        Have the agent go by these settings of its own from now on, also after its next start. What is served isn't
        touched.

        @param text: its configuration file, secrets included.
        @raise ConfigurationRejected: the agent can't go by it; what it has stays.
        """

    def renew_certificate(amphora: Amphora, credential: Credential) -> Awaitable[None]:
        """
        Have the agent be known by this credential on new connections from now on, also after its next start. What is
        served isn't touched, nor are connections that stand.

        @raise ConfigurationRejected: it isn't one by which this amphora could be known; what it has stays.
        """

    def unshipped(amphora: Amphora, load_balancer_id: str) -> Awaitable[int]:
        """
        How many bytes of the load balancer's access log the amphora hasn't shipped yet. It has none, or the load
        balancer was withdrawn and the time for the rest is over: 0.
        """

    def withdraw(amphora: Amphora, load_balancer_id: str, fence: int) -> Awaitable[None]:
        """
        Make the amphora forget the load balancer. One that doesn't serve it: no error.

        @raise StaleFence: a newer controller was there.
        """


class ICertificateManager(Interface):
    """
    Where tenants keep certificates, keys and lists. A I{reference} names a container or a secret there by its URL, of
    which only the end is looked at: C{…/containers/ID} or C{…/secrets/ID}.

    No private key is in what these calls raise, nor in anything's C{repr}. What they raise of C{RequestError} names the
    field C{where} that refers to it.
    """

    def bundle(reference: str, project_id: str, where: str) -> Awaitable[Bundle]:
        """
        A certificate with its key, out of a certificate container, or out of a secret that is a PKCS12 file.

        @param project_id: whose load balancer refers to it.
        @raise ReferenceMissing: it isn't there, or isn't to be seen by that project.
        @raise ReferenceDenied: its owner doesn't let us read it.
        @raise InvalidInput: it is something else, can't be read, or the key is another certificate's.
        """

    def secret(reference: str, project_id: str, where: str) -> Awaitable[bytes]:
        """
        The content of a secret, as it was stored; the rest as for L{bundle}.

        @raise ReferenceMissing: it isn't there, or isn't to be seen by that project.
        @raise ReferenceDenied: its owner doesn't let us read it.
        @raise InvalidInput: the reference isn't a secret's.
        """

    def register(reference: str, consumer: Consumer) -> Awaitable[None]:
        """Tell whoever keeps it that it is used. What isn't there: no error."""

    def unregister(reference: str, consumer: Consumer) -> Awaitable[None]:
        """Tell that it isn't used any more. Never told of, or gone meanwhile: no error."""


class IIdentity(Interface):
    """
    Tells who a request comes from.

    Asked for each request. What it has learnt it may remember for a while, but never longer than a token is valid.
    """

    challenge: str | None = Attribute("What C{WWW-Authenticate} says to who isn't known, or C{None}.")

    def caller(presented: Presented) -> Awaitable[Caller]:
        """
        Who it is.

        @raise Unauthenticated: there's no token, or none that is valid now.
        @raise InvalidInput: what is presented can't be read.
        @raise IdentityUnavailable: that can't be told now, for who would tell doesn't answer.
        """


class ICertificateAuthority(Interface):
    """Who vouches for the system's own parts: controllers and amphorae."""

    authority: bytes = Attribute("The authority's certificate, PEM.")

    def issue(role: Role, identifier: str) -> Credential:
        """
        A new credential for one peer, at once. Not idempotent: each has a new key.

        @param identifier: the amphora's id, or a name of the controller's host.
        """

    def validity() -> timedelta:
        """For how long a credential is valid that is issued now."""


class IProviderDriver(Interface):
    """
    One who provides load balancers: stateless, chosen by name.

    The API asks it before anything is written; the controller has it provide what was. What it raises then, of
    L{errors<octavia_tx.errors>}, is told, and tried again: later where it L{can't ever
    be<octavia_tx.errors.IncompatibleConfiguration>}, else soon.
    """

    name: str = Attribute("What tenants write as C{provider}.")
    description: str = Attribute("One sentence, for the list of providers.")
    amphorae: bool = Attribute(
        "Whether the controller provides the load balancers, with amphorae. Then this one only judges them: provide "
        "and withdraw are never called."
    )
    immediate: bool = Attribute(
        "Whether C{check} answers at once, of what it is given alone. Then it may be asked while rows are locked."
    )
    flavor_schema: Mapping[str, Any] = Attribute(
        "JSON schema 2020-12 of what a flavor may ask for: an object, whose properties have a description each."
    )
    availability_zone_schema: Mapping[str, Any] = Attribute("The same of what an availability zone may ask for.")

    def validate_flavor(data: Mapping[str, Any]) -> Awaitable[None]:
        """
        Whether a flavor may ask for this; asked before its profile is written. What C{flavor_schema} accepts may still
        be refused here, what it refuses never passes. See L{Options<octavia_tx.driver.options.Options>}.

        @raise IncompatibleConfiguration: an option that isn't known.
        @raise InvalidInput: a value that an option can't have.
        """

    def validate_availability_zone(data: Mapping[str, Any]) -> Awaitable[None]:
        """Whether an availability zone may ask for this; see L{validate_flavor}."""

    def check(tree: Tree, terms: Terms) -> Awaitable[Mapping[str, str]]:
        """
        Whether this could be provided: new objects together with those that they refer to. Nothing is made or kept. Who
        asks waits for some seconds and then cancels.

        A refusal's sentence says what isn't supported or what is wrong, and names the field: C{"listener.protocol with
        the value UDP."}; that it is this provider that refuses is told by who asks it.

        @param tree: what is asked for; only the objects that are new or changed need be in it.
        @param terms: what the load balancer's flavor and availability zone ask for, as it was validated.
        @return: what is accepted but I{incomplete}: by the id of an object of the tree, what it misses, as a sentence
            for the user, of at most 1000 characters and without NUL. It is stored, isn't served, and is C{OFFLINE} with
            that reason until a change completes it.
        @raise IncompatibleConfiguration: never, by this provider and flavor.
        @raise OutOfResources: not now.
        @raise DriverError: not, for another reason.
        @raise InvalidInput: not, for a value that no provider could accept.
        """

    def provide(tree: Tree, terms: Terms) -> Awaitable[None]:
        """
        Make it so: all of this tree, and nothing more of this load balancer. When this returns, it is served.

        Called for one load balancer by one controller at a time. A controller that was thought dead may come late
        all the same: a revision lower than one that was provided already changes nothing.

        @param tree: the living objects, with the VIP's address known.
        @param terms: what the load balancer's flavor and availability zone ask for.
        @raise DriverError: not now, or never.
        """

    def withdraw(load_balancer_id: str) -> Awaitable[None]:
        """Leave nothing of it. Never provided, or withdrawn already: no error."""


class IPreview(Interface):
    """What a controller would do, told without doing it: for dry runs, and for operators who look. Answers at once."""

    def configuration(tree: Tree, amphora_id: str) -> str:
        """
        haproxy's configuration of a load balancer on one amphora; C{""} where there's nothing to serve, or another
        provider serves it. A front-end address that isn't known yet stands there as C{0.0.0.0}.

        @raise IncompatibleConfiguration: it can't be put into haproxy's words.
        @raise CloudError: its provider isn't enabled.
        """

    def steps(load_balancer: LoadBalancer, amphorae: tuple[Amphora, ...], terms: Terms) -> tuple[str, ...]:
        """
        The names of the steps to what is wanted of a load balancer, in order, if none fails and all machines are
        there; none when it is as wanted.

        @param terms: what the load balancer's flavor and availability zone ask for.
        @raise CloudError: its provider isn't enabled.
        """
