-- A row of which only the status changes keeps its place in all indexes, where its page has room. And addresses are found.

ALTER TABLE listener ADD COLUMN leaving boolean GENERATED ALWAYS AS (provisioning_status = 'PENDING_DELETE') STORED;
ALTER TABLE member ADD COLUMN leaving boolean GENERATED ALWAYS AS (provisioning_status = 'PENDING_DELETE') STORED;
ALTER TABLE health_monitor ADD COLUMN leaving boolean GENERATED ALWAYS AS (provisioning_status = 'PENDING_DELETE') STORED;
ALTER TABLE member SET (fillfactor = 50);

DROP INDEX listener_port, member_unsettled, member_address, health_monitor_one;
CREATE UNIQUE INDEX listener_port ON listener
    (load_balancer_id, protocol_port, (CASE protocol WHEN 'UDP' THEN 'udp' WHEN 'SCTP' THEN 'sctp' ELSE 'tcp' END))
    WHERE NOT leaving;
CREATE UNIQUE INDEX member_address ON member (pool_id, address, protocol_port) WHERE NOT leaving;
CREATE UNIQUE INDEX health_monitor_one ON health_monitor (pool_id) WHERE NOT leaving;

CREATE INDEX load_balancer_by_address ON load_balancer (vip_address) WHERE vip_address IS NOT NULL;
CREATE INDEX load_balancer_with_more ON load_balancer (id) WHERE additional_vips <> '[]';
