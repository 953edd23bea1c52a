"""Published for driver authors: conformance suites, verified fakes, strategies."""
