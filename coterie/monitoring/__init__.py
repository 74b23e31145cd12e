"""What those who run Coterie watch: dashboards and alert rules, from code; pipeline runs."""
