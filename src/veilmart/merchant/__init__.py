"""The merchant: shelves, products, tunnels with customers, orders, parcels."""
