"""The steps of plans, as values; L{octavia_tx.controller.step} says what all have in common."""

from __future__ import annotations

from typing import Any, ClassVar, NoReturn

from attrs import evolve, frozen

from octavia_tx.controller import lifecycle
from octavia_tx.controller.secrets import digests, secrets_of
from octavia_tx.controller.situation import Situation
from octavia_tx.controller.step import OfAmphora, OfLoadBalancer, Replan
from octavia_tx.controller.work import Work
from octavia_tx.db import amphorae, certificates, flavors, load_balancers, members
from octavia_tx.driver import addresses
from octavia_tx.errors import AddressTaken, AmphoraError, CloudError
from octavia_tx.model.amphora import Amphora
from octavia_tx.model.statuses import AmphoraRole, ProvisioningStatus
from octavia_tx.model.tree import Tree
from octavia_tx.model.vips import port_of

# A booting amphora is asked again after a fifth of the time that it took so far, about.
_LOOK_GROWTH = 1.2


@frozen
class AllocateVip(OfLoadBalancer):
    """See to it that the load balancer has its front-end addresses."""

    name: ClassVar[str] = "allocate VIP"

    async def do(self, situation: Situation, work: Work) -> Situation:
        """See L{Step.do}."""
        # The network rarely chooses what another load balancer has: all that they have is read only once it did.
        taken: frozenset[str] = frozenset()
        for _ in range(addresses.TRIES - 1):
            try:
                return await self._try(situation, work, taken)
            except AddressTaken:
                async with work.means.database.transaction() as tx:
                    load_balancer = situation.load_balancer
                    taken = await load_balancers.taken_addresses(tx, load_balancer.id, load_balancer.vip_network_id)
        return await self._try(situation, work, taken)

    async def _try(self, situation: Situation, work: Work, taken: frozenset[str]) -> Situation:
        async with work.means.database.transaction() as tx:
            found = await members.find(tx, load_balancer_id=situation.load_balancer.id)
        load_balancer = await addresses.allocate(work.means.network, situation.load_balancer, found, taken)
        async with work.recording(self.name) as tx:
            given = addresses.vip_of(load_balancer), load_balancer.additional_vips
            await load_balancers.record_vip(tx, load_balancer.id, *given)
        return evolve(situation, load_balancer=load_balancer)


@frozen
class RequestAmphora(OfAmphora):
    """Write down that there shall be an amphora, before anything of it is made."""

    name: ClassVar[str] = "request amphora"

    async def do(self, situation: Situation, work: Work) -> Situation:
        """See L{Step.do}."""
        amphora = Amphora(
            id=self.amphora_id,
            load_balancer_id=situation.load_balancer.id,
            role=AmphoraRole.STANDALONE,
            created_at=work.means.now(),
        )
        async with work.recording(self.name) as tx:
            await amphorae.insert(tx, amphora)
        return situation.having(amphora)


@frozen
class EnsureMachine(OfAmphora):
    """See to it that the amphora's machine exists and is being started."""

    name: ClassVar[str] = "ensure machine"

    async def do(self, situation: Situation, work: Work) -> Situation:
        """
        See L{Step.do}.

        The certificate is recorded before the machine is made, as a machine may be made and its maker die. One that
        exists has the newest certificate that was recorded, so it gets no further one.
        """
        amphora = situation.amphora(self.amphora_id)
        compute = work.means.compute
        machine = await compute.find(amphora.id) if amphora.certificate_serial else None
        if machine is None:
            material = work.means.boots.make(amphora.id)
            async with work.recording(self.name) as tx:
                await amphorae.record(
                    tx, amphora.id, certificate_serial=material.serial, cert_expiration=material.expires
                )
            amphora = evolve(amphora, certificate_serial=material.serial, cert_expiration=material.expires)
            machine = await compute.ensure(material.boot)
        async with work.recording(self.name) as tx:
            amphora = await lifecycle.change(
                tx,
                amphora,
                lambda life: life.boot(),
                compute_id=machine.compute_id,
                lb_network_ip=machine.lb_network_ip,
            )
        return situation.having(evolve(amphora, updated_at=work.means.now()))


@frozen
class AwaitAgent(OfAmphora):
    """Wait until the amphora's agent answers; then it belongs to its load balancer."""

    name: ClassVar[str] = "await agent"

    async def do(self, situation: Situation, work: Work) -> Situation:
        """
        See L{Step.do}.

        @raise CloudError: it didn't come up in time, or its machine is gone; the amphora is C{FAILED} then.
        """
        amphora = situation.amphora(self.amphora_id)
        settings = work.means.settings
        deadline = (amphora.updated_at or amphora.created_at).timestamp() + settings.boot_timeout
        look = settings.first_look
        while True:
            if amphora.lb_network_ip is None or look >= settings.longest_look:
                amphora = await self._located(amphora, work)
            silence = await self._silence(amphora, work)
            if silence is None:
                break
            if work.means.clock.seconds() >= deadline:
                waited = f"didn't answer within {settings.boot_timeout:g} s of its boot: {silence}"
                await self._fail(amphora, work, waited)
            await work.pause(look)
            if work.interrupted:
                raise Replan("There's news of the load balancer while its amphora boots.")
            look = min(look * _LOOK_GROWTH, settings.longest_look)
        async with work.recording(self.name) as tx:
            return situation.having(await lifecycle.change(tx, amphora, lambda life: life.allocate()))

    async def _located(self, amphora: Amphora, work: Work) -> Amphora:
        """The amphora with its address, if compute knows it by now."""
        machine = await work.means.compute.find(amphora.id)
        if machine is None:
            await self._fail(amphora, work, "lost its machine while it booted.")
        if machine.lb_network_ip != amphora.lb_network_ip:
            async with work.recording(self.name) as tx:
                await amphorae.record(tx, amphora.id, lb_network_ip=machine.lb_network_ip)
            return evolve(amphora, lb_network_ip=machine.lb_network_ip)
        return amphora

    async def _silence(self, amphora: Amphora, work: Work) -> str | None:
        """Why its agent can't be spoken with; C{None} when it can."""
        if amphora.lb_network_ip is None:
            return "It has no address yet."
        try:
            await work.means.driver.info(amphora)
        except AmphoraError as error:
            return str(error)
        return None

    async def _fail(self, amphora: Amphora, work: Work, what: str) -> NoReturn:
        sentence = f"Amphora {amphora.id} {what}"
        async with work.recording(self.name) as tx:
            await lifecycle.change(tx, amphora, lambda life: life.fail(), error=sentence)
        raise CloudError(sentence)


@frozen
class PlugVip(OfAmphora):
    """See to it that packets for the VIP reach the amphora."""

    name: ClassVar[str] = "plug VIP"

    async def do(self, situation: Situation, work: Work) -> Situation:
        """See L{Step.do}. Nothing is recorded: it is done again until a first revision is applied."""
        await work.means.network.plug_vip(situation.amphora(self.amphora_id), situation.load_balancer)
        return situation


async def _wanted(situation: Situation, work: Work) -> Tree:
    """
    What the tenant wants now.

    @raise Replan: nothing any more.
    """
    async with work.means.database.transaction() as tx:
        tree = await load_balancers.tree(tx, situation.load_balancer.id)
    if tree is None or tree.load_balancer.provisioning_status is ProvisioningStatus.PENDING_DELETE:
        raise Replan("The load balancer is being deleted.")
    return tree


def _served(situation: Situation, tree: Tree) -> Situation:
    """What follows when a tree is served as it was read."""
    load_balancer, active = tree.load_balancer, ProvisioningStatus.ACTIVE
    served = evolve(load_balancer, applied_revision=load_balancer.revision, provisioning_status=active)
    return evolve(situation, load_balancer=served)


@frozen
class Apply(OfAmphora):
    """See to it that the amphora serves what the tenant wants now."""

    name: ClassVar[str] = "apply"

    async def do(self, situation: Situation, work: Work) -> Situation:
        """
        See L{Step.do}.

        The tree is read together with its revision, as late as can be: many changes are one push. When it can't be
        pushed, compute is asked at once whether there's a machine still.
        """
        amphora = situation.amphora(self.amphora_id)
        tree = await _wanted(situation, work)
        secrets = await secrets_of(tree.living(), work.means.certificates)
        try:
            await work.means.driver.apply(amphora, tree.living(), work.lease.fence, secrets)
        except AmphoraError:
            # An agent lives on for a while when its machine is taken away, and nothing that it says is to be believed.
            if await work.means.compute.find(amphora.id) is not None:
                raise
            work.doubted = True
            raise Replan("The amphora's machine is gone.") from None
        load_balancer = tree.load_balancer
        # Alone, it has the VIP's own port, and where there's no other, its address on the LB network is its only one.
        serving: dict[str, Any] = {
            "applied_revision": load_balancer.revision,
            "ha_ip": load_balancer.vip_address,
            "ha_port_id": load_balancer.vip_port_id,
            "vrrp_ip": amphora.lb_network_ip,
            "vrrp_port_id": port_of(amphora.id),
        }
        async with work.recording(self.name) as tx:
            await amphorae.record(tx, amphora.id, **serving)
            await load_balancers.applied(tx, load_balancer.id, load_balancer.revision, tree)
            await certificates.pushed(tx, load_balancer.id, load_balancer.project_id, digests(secrets))
        return _served(situation, tree).having(evolve(amphora, **serving))


@frozen
class Provide(OfLoadBalancer):
    """Have the load balancer's provider serve what the tenant wants now."""

    name: ClassVar[str] = "provide"

    async def do(self, situation: Situation, work: Work) -> Situation:
        """See L{Step.do}. The tree is read as late as can be, as by L{Apply}."""
        tree = await _wanted(situation, work)
        load_balancer = tree.load_balancer
        async with work.recording(self.name) as tx:
            terms = await flavors.terms(tx, load_balancer)
        with work.aside():
            await work.means.providers.provide(load_balancer.provider, tree.living(), terms)
        async with work.recording(self.name) as tx:
            await load_balancers.applied(tx, load_balancer.id, load_balancer.revision, tree)
        return _served(situation, tree)


@frozen
class Withdraw(OfLoadBalancer):
    """See to it that nothing of the load balancer is left at its provider."""

    name: ClassVar[str] = "withdraw"

    async def do(self, situation: Situation, work: Work) -> Situation:
        """See L{Step.do}. Nothing is recorded: the row that names the provider goes soon."""
        load_balancer = situation.load_balancer
        async with work.recording(self.name):
            pass  # it may take long, and is told of
        with work.aside():
            await work.means.providers.withdraw(load_balancer.provider, load_balancer.id)
        return situation


@frozen
class RenewSettings(OfAmphora):
    """Send the amphora's agent its settings as they are now."""

    name: ClassVar[str] = "renew settings"

    async def do(self, situation: Situation, work: Work) -> Situation:
        """See L{Step.do}."""
        amphora = situation.amphora(self.amphora_id)
        await work.means.driver.configure(amphora, work.means.boots.settings(amphora.id))
        async with work.recording(self.name) as tx:
            await amphorae.record(tx, amphora.id, config_due=False)
        return situation.having(evolve(amphora, config_due=False))


@frozen
class RetireAmphora(OfAmphora):
    """Write down that the amphora is on its way out, before its machine is touched."""

    name: ClassVar[str] = "retire amphora"

    async def do(self, situation: Situation, work: Work) -> Situation:
        """See L{Step.do}."""
        async with work.recording(self.name) as tx:
            amphora = await lifecycle.change(tx, situation.amphora(self.amphora_id), lambda life: life.retire())
        return situation.having(amphora)


@frozen
class DestroyMachine(OfAmphora):
    """See to it that nothing is left of the amphora: its machine first, then its row."""

    name: ClassVar[str] = "destroy machine"

    async def do(self, situation: Situation, work: Work) -> Situation:
        """See L{Step.do}."""
        await work.means.compute.destroy(self.amphora_id)
        async with work.recording(self.name) as tx:
            await amphorae.forget(tx, self.amphora_id)
        return situation.without(self.amphora_id)


@frozen
class ReleaseVip(OfLoadBalancer):
    """Give the front-end addresses back."""

    name: ClassVar[str] = "release VIP"

    async def do(self, situation: Situation, work: Work) -> Situation:
        """See L{Step.do}. Nothing is recorded: the row that names the address goes next, and only then is it free."""
        await work.means.network.release_vip(situation.load_balancer)
        return situation


@frozen
class ForgetLoadBalancer(OfLoadBalancer):
    """Remove the last trace of the load balancer, which is its row."""

    name: ClassVar[str] = "forget load balancer"

    async def do(self, situation: Situation, work: Work) -> Situation:
        """See L{Step.do}. The lease goes with the row, so it is proved before."""
        async with work.means.database.transaction() as tx:
            await work.prove(tx, self.name)
            await load_balancers.forget(tx, situation.load_balancer.id)
        return situation
