from twisted.application.service import ServiceMaker

controller = ServiceMaker(
    "Octavia-TX controller",
    "octavia_tx.tap.controller",
    "The whole of Octavia-TX in one process: controller, API, heartbeat receiver.",
    "octavia-controller",
)
api = ServiceMaker(
    "Octavia-TX API",
    "octavia_tx.tap.api",
    "The tenants' and operators' API alone.",
    "octavia-api",
)
health = ServiceMaker(
    "Octavia-TX health",
    "octavia_tx.tap.health",
    "The receiver of amphorae's heartbeats alone.",
    "octavia-health",
)
agent = ServiceMaker(
    "Octavia-TX amphora agent",
    "amphora.tap",
    "The agent inside an amphora.",
    "octavia-amphora-agent",
)
