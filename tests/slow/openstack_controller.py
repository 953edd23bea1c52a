"""
What OpenStack's controller does to an amphora, by its own driver: C{openstack_controller.py DIRECTORY SETTINGS}, run by
the Python that has octavia.

Makes the authorities and certificates of both sides in the directory, and listens for heartbeats. Then it reads
C{[name, argument, ...]} from each line of its input, calls the method of L{Controller} or of the driver's client
C{client.NAME}, and writes what came of it: C{["answer", ...]} or C{["failure", name, sentence]}.

@var SETTINGS: JSON: by section of C{octavia.conf}, by name, a value.
"""

from __future__ import annotations

import json
import os
import sys
import warnings
from pathlib import Path
from typing import Any
from uuid import uuid4

warnings.simplefilter("ignore")  # of what octavia imports

from datetime import datetime, timedelta  # noqa: E402

from cryptography import x509  # noqa: E402
from cryptography.hazmat.primitives import hashes, serialization  # noqa: E402
from cryptography.hazmat.primitives.asymmetric import ec  # noqa: E402
from octavia.amphorae.backends.agent.agent_jinja_cfg import AgentJinjaTemplater  # noqa: E402
from octavia.amphorae.drivers.haproxy.rest_api_driver import HaproxyAmphoraLoadBalancerDriver  # noqa: E402
from octavia.amphorae.drivers.health import heartbeat_udp  # noqa: E402
from octavia.certificates.generator.local import LocalCertGenerator  # noqa: E402
from octavia.certificates.manager.local import LocalCertManager  # noqa: E402
from octavia.common import config, data_models  # noqa: E402, F401 - its options
from octavia.db import api as db_api  # noqa: E402
from octavia.db import base_models, models  # noqa: E402
from octavia.network import data_models as network_models  # noqa: E402
from oslo_config import cfg  # noqa: E402
from oslo_db.sqlalchemy import enginefacade  # noqa: E402
from oslo_log import log  # noqa: E402

CONF = cfg.CONF
ACTIVE = {"provisioning_status": "ACTIVE", "operating_status": "ONLINE", "enabled": True, "project_id": "a" * 32}
OTHER_AMPHORA = "99999999-1111-4111-8111-111111111111"
DAY = 86400
SMALL = {"free": 1 << 18, "buffers": 0, "cached": 0}


def configure(directory: Path, settings: dict[str, dict[str, Any]]) -> None:
    """What octavia.conf says."""
    lines = []
    for section, values in settings.items():
        lines += [f"[{section}]", *(f"{name} = {value}" for name, value in values.items())]
    lines += [
        *("[certificates]", "cert_manager = local_cert_manager", f"storage_path = {directory}"),
        *(f"ca_certificate = {directory}/server_ca.pem", f"ca_private_key = {directory}/server_ca.key"),
        *("[database]", f"connection = sqlite:///{directory}/octavia.sqlite"),
        *("[haproxy_amphora]", f"client_cert = {directory}/client.pem", f"server_ca = {directory}/server_ca.pem"),
    ]
    path = directory / "octavia.conf"
    path.write_text("\n".join(lines) + "\n")
    log.register_options(CONF)
    CONF(["--config-file", str(path)], project="octavia")
    CONF.set_override("pool_timeout", None, "database")  # which SQLite hasn't
    db_api._FACADE = True
    enginefacade.configure(sqlite_fk=False, expire_on_commit=True)
    base_models.BASE.metadata.create_all(db_api.get_engine())


def make_authority(directory: Path, name: str) -> tuple[bytes, bytes]:
    """One of the two that OpenStack's deployments have: each side's certificates are of another."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.utcnow()
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now - timedelta(hours=1))
    builder = builder.not_valid_after(now + timedelta(days=1))
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    certificate = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    form = serialization.PrivateFormat.TraditionalOpenSSL
    secret = key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
    (directory / f"{name}.pem").write_bytes(certificate)
    (directory / f"{name}.key").write_bytes(secret)
    return certificate, secret


class Controller:
    """
    One that has a single amphora.

    @ivar amphora: it.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        make_authority(directory, "server_ca")
        certificate, key = make_authority(directory, "client_ca")
        ours = LocalCertGenerator.generate_cert_key_pair("octavia", DAY, ca_cert=certificate, ca_key=key)
        (directory / "client.pem").write_bytes(ours.certificate + ours.private_key)
        self.driver = HaproxyAmphoraLoadBalancerDriver()
        self.client = self.driver.clients["1.0"]
        details = self.client.get_details
        # Two fifths of what is free become a cache of TLS sessions: have that of an amphora, and not of this machine.
        self.client.get_details = lambda amphora: (found := details(amphora)) | {"memory": found["memory"] | SMALL}
        self.getter = heartbeat_udp.UDPStatusGetter()
        self.amphora = data_models.Amphora()
        self.tree: Any = None

    def port(self) -> int:
        """Where heartbeats are heard."""
        return int(self.getter.sock.getsockname()[1])

    def boot(self, amphora_id: str, address: str, topology: str, vrrp_ip: str) -> dict[str, str]:
        """
        The files with which an amphora is booted, by path.

        @param vrrp_ip: its own address beside the VIP.
        """
        CONF.set_override("controller_ip_port_list", [f"127.0.0.1:{self.port()}"], "health_manager")
        self.amphora = data_models.Amphora(
            id=amphora_id, lb_network_ip=address, status="ALLOCATED", vrrp_ip=vrrp_ip, ha_ip=vrrp_ip, role="MASTER",
            vrrp_interface="eth1", vrrp_id=1, vrrp_priority=100, vrrp_port_id="vrrp",
        )  # fmt: skip
        self.amphora.api_version = "1.0"
        return {
            "amphora-agent.conf": AgentJinjaTemplater().build_agent_config(amphora_id, topology),
            CONF.amphora_agent.agent_server_cert: self.certificate(amphora_id),
            CONF.amphora_agent.agent_server_ca: (self.directory / "client_ca.pem").read_text(),
        }

    def certificate(self, name: str) -> str:
        """A certificate of an agent's, with its key."""
        made = LocalCertGenerator.generate_cert_key_pair(name, DAY)
        return (made.certificate + made.private_key).decode()

    def store(self, name: str) -> list[str]:
        """A tenant's certificate of that name: its reference, and where it can be checked against."""
        made = LocalCertGenerator.generate_cert_key_pair(name, DAY)
        return [LocalCertManager.store_cert(None, made.certificate, made.private_key), made.certificate.decode()]

    def secret(self, text: str) -> str:
        """A tenant's secret of another kind, as an authority's certificate: its reference."""
        reference = str(uuid4())
        (self.directory / f"{reference}.crt").write_text(text)
        return reference

    def plan(self, tree: dict[str, Any]) -> None:
        """
        What the tenant wants from now on.

        @param tree: C{{id, vip, peer, pools: [{…, members, monitor, persistence}], listeners: [{…, pool, policies}]}}.
        """
        vip = data_models.Vip(ip_address=tree["vip"], vnic_type="normal")
        lb = data_models.LoadBalancer(
            id=tree["id"], vip=vip, topology=tree.get("topology", "SINGLE"), amphorae=[self.amphora], **ACTIVE,
            additional_vips=[data_models.AdditionalVip(ip_address=address) for address in tree.get("more_vips", ())],
        )  # fmt: skip
        self.amphora.load_balancer = lb
        if "peer" in tree:
            other = data_models.Amphora(id=OTHER_AMPHORA, vrrp_ip=tree["peer"], status="ALLOCATED", load_balancer=lb)
            lb.amphorae.append(other)
        pools = {each["id"]: self._pool(each, lb) for each in tree["pools"]}
        lb.pools = list(pools.values())
        lb.listeners = [self._listener(each, lb, pools) for each in tree["listeners"]]
        self.tree = lb

    def _pool(self, said: dict[str, Any], lb: Any) -> Any:
        own = {k: v for k, v in said.items() if k not in ("members", "monitor", "persistence")}
        pool = data_models.Pool(**{"lb_algorithm": "ROUND_ROBIN", "load_balancer": lb, **ACTIVE, **own})
        pool.members = [data_models.Member(**{"weight": 1, "backup": False, **ACTIVE, **m}) for m in said["members"]]
        if "monitor" in said:
            given = {"delay": 1, "timeout": 1, "fall_threshold": 2, "rise_threshold": 1, **said["monitor"]}
            pool.health_monitor = data_models.HealthMonitor(**{**ACTIVE, **given})
        if "persistence" in said:
            pool.session_persistence = data_models.SessionPersistence(**said["persistence"])
        return pool

    def _listener(self, said: dict[str, Any], lb: Any, pools: dict[str, Any]) -> Any:
        own = {k: v for k, v in said.items() if k not in ("pool", "policies", "sni")}
        listener = data_models.Listener(
            **{"load_balancer": lb, "load_balancer_id": lb.id, "insert_headers": {}, **ACTIVE, **own}
        )
        listener.default_pool = pools.get(said.get("pool"))
        listener.sni_containers = [data_models.SNI(tls_container_id=ref) for ref in said.get("sni", ())]
        used = {said["pool"]} if said.get("pool") else set()
        for position, policy in enumerate(said.get("policies", ()), 1):
            rules = [data_models.L7Rule(**{**ACTIVE, **rule}) for rule in policy["rules"]]
            fields = {k: v for k, v in policy.items() if k not in ("rules", "pool")}
            made = data_models.L7Policy(
                **{**ACTIVE, **fields}, position=position, l7rules=rules, redirect_pool=pools.get(policy.get("pool"))
            )
            listener.l7policies.append(made)
            used |= {policy["pool"]} if "pool" in policy else set()
        listener.pools = [pools[each] for each in sorted(used)]
        return listener

    def render(self) -> str:
        """haproxy's configuration for that."""
        return str(
            self.driver.jinja_combo.build_config(
                host_amphora=self.amphora, listeners=self.tree.listeners, tls_certs={},
                haproxy_versions=self.driver._get_haproxy_versions(self.amphora),
                amp_details=self.client.get_details(self.amphora),
            )
        )  # fmt: skip

    def act(self, action: str, load_balancer_id: str) -> int:
        """C{start}, C{stop} or C{reload}; gives the HTTP status."""
        return int(self.client._action(action, self.amphora, load_balancer_id).status_code)

    def update(self) -> None:
        """Have the amphora do it."""
        self.driver.update_amphora_listeners(self.tree, self.amphora)

    def start(self) -> None:
        """Start what there is."""
        self.driver.start(self.tree)

    def reload(self) -> None:
        """Reload it."""
        self.driver.reload(self.tree, self.amphora)

    def delete(self, listener_id: str) -> None:
        """Delete one of its listeners."""
        (listener,) = [each for each in self.tree.listeners if each.id == listener_id]
        self.driver.delete(listener)

    def versions(self) -> list[str]:
        """Of the API, and of haproxy."""
        self.amphora.api_version = None
        self.driver.check(self.amphora)
        return [self.amphora.api_version, *self.driver._get_haproxy_versions(self.amphora)]

    def upload_certificate(self) -> None:
        """Have the amphora take a new certificate of its own."""
        self.driver.upload_cert_amp(self.amphora, self.certificate(self.amphora.id).encode())

    def update_settings(self, interval: int, topology: str) -> None:
        """Have it take new settings."""
        CONF.set_override("heartbeat_interval", interval, "health_manager")
        text = AgentJinjaTemplater().build_agent_config(self.amphora.id, topology)
        self.driver.update_amphora_agent_config(self.amphora, text)

    def interface(self, address: str) -> str:
        """The interface that has an address."""
        return str(self.driver.get_interface_from_ip(self.amphora, address))

    def rules(self, address: str, rules: list[dict[str, Any]]) -> None:
        """What may reach an address."""
        self.driver.set_interface_rules(self.amphora, address, rules)

    def plug_vip(self, mac: str, cidr: str, gateway: str) -> None:
        """The port of the VIP was attached."""
        subnet = network_models.Subnet(id="s", cidr=cidr, gateway_ip=gateway, host_routes=[])
        network = network_models.Network(id="n", mtu=1500)
        port = network_models.Port(id="vrrp", mac_address=mac, network=network, fixed_ips=[])
        self.driver.post_vip_plug(self.amphora, self.tree, None, port, subnet, additional_vip_data=[])

    def plug_network(self, mac: str, address: str, cidr: str, route: list[str]) -> None:
        """A port of a members' network was attached."""
        routes = [network_models.HostRoute(destination=route[0], nexthop=route[1])] if route else []
        subnet = network_models.Subnet(id="s", cidr=cidr, gateway_ip=None, host_routes=routes)
        fixed = network_models.FixedIP(subnet_id="s", ip_address=address, subnet=subnet)
        network = network_models.Network(id="n", mtu=1500)
        port = network_models.Port(id="p", mac_address=mac, network=network, fixed_ips=[fixed])
        self.driver.post_network_plug(self.amphora, port, None)

    def update_vrrp(self, cidr: str, gateway: str) -> None:
        """Give the amphora its keepalived's configuration."""
        subnet = network_models.Subnet(id="s", cidr=cidr, gateway_ip=gateway, host_routes=[])
        self.tree.vrrp_group = data_models.VRRPGroup(
            load_balancer_id=self.tree.id, vrrp_group_name=self.tree.id.replace("-", ""), vrrp_auth_type="PASS",
            vrrp_auth_pass="secret", advert_int=1,
        )  # fmt: skip
        configuration = {"vip_subnet": subnet.to_dict(recurse=True), "additional_vip_data": []}
        self.driver.update_vrrp_conf(self.tree, {self.amphora.id: configuration}, self.amphora)

    def vrrp(self, action: str) -> None:
        """C{start}, C{stop} or C{reload} its keepalived."""
        calls = {
            "start": self.driver.start_vrrp_service,
            "stop": self.driver.stop_vrrp_service_on_amphora,
            "reload": self.client.reload_vrrp,
        }
        calls[action](self.amphora)

    def hear(self) -> dict[str, Any]:
        """The next heartbeat, as the health manager reads it; it is then done with it what the health manager does."""
        message, source = self.getter.dorecv()
        heartbeat_udp.UpdateHealthDb()._update_health(message, source)
        heartbeat_udp.update_stats(message)
        return dict(message)

    def remember(self) -> None:
        """Have the tree in the database, as it is before any heartbeat."""
        before = {**ACTIVE, "operating_status": "OFFLINE"}
        lb = self.tree
        rows: list[Any] = [
            models.LoadBalancer(id=lb.id, name="", **before, topology=lb.topology),
            models.Amphora(id=self.amphora.id, load_balancer_id=lb.id, status="ALLOCATED", cert_busy=False),
        ]
        for listener in lb.listeners:
            rows.append(
                models.Listener(
                    id=listener.id, load_balancer_id=lb.id, protocol=listener.protocol,
                    protocol_port=listener.protocol_port, **before,
                )
            )  # fmt: skip
        for pool in lb.pools:
            rows.append(
                models.Pool(
                    id=pool.id, load_balancer_id=lb.id, protocol=pool.protocol, lb_algorithm=pool.lb_algorithm, **before
                )
            )
            for m in pool.members:
                rows.append(
                    models.Member(
                        id=m.id, pool_id=pool.id, ip_address=m.ip_address, protocol_port=m.protocol_port, weight=1,
                        backup=False, **before,
                    )
                )  # fmt: skip
        session = db_api.get_session()
        with session.begin():
            session.add_all(rows)

    def known(self) -> dict[str, Any]:
        """What the database says by now: statuses by id, when the amphora was heard, and listeners' statistics."""
        session = db_api.get_session()
        with session.begin():
            kinds = (models.LoadBalancer, models.Listener, models.Pool, models.Member)
            statuses = {row.id: row.operating_status for kind in kinds for row in session.query(kind)}
            heard = {row.amphora_id: str(row.last_update) for row in session.query(models.AmphoraHealth)}
            names = ("bytes_in", "bytes_out", "active_connections", "total_connections", "request_errors")
            statistics = {
                row.listener_id: {name: getattr(row, name) for name in names}
                for row in session.query(models.ListenerStatistics)
            }
        return {"statuses": statuses, "heard": heard, "statistics": statistics}

    def call(self, name: str, arguments: list[Any]) -> Any:
        """One of these, or of the client's for this amphora."""
        kind, _, method = name.partition(".")
        if kind == "client":
            answer = getattr(self.client, method)(self.amphora, *arguments)
            if hasattr(answer, "status_code"):
                return {"status": answer.status_code, "body": answer.text, "etag": answer.headers.get("ETag")}
            return answer
        return getattr(self, name)(*arguments)


def main(directory: Path, settings: dict[str, dict[str, Any]]) -> None:
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # whatever a library prints is no answer
    configure(directory, settings)
    controller = Controller(directory)
    print(json.dumps(["answer", controller.port()]), file=answers)  # noqa: T201
    for line in sys.stdin:
        name, *arguments = json.loads(line)
        try:
            said = ["answer", controller.call(name, arguments)]
        except Exception as e:  # noqa: BLE001 - which is what is asked for
            said = ["failure", type(e).__name__, str(e)]
        print(json.dumps(said), file=answers)  # noqa: T201


main(Path(sys.argv[1]), json.loads(sys.argv[2]))
