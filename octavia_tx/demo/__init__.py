"""The guided tour: a real load balancer, made, used, broken, healed and removed before the viewer's eyes."""
