"""The tangent kernel of a network, formed or applied."""
