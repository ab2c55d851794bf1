//! What people and crawlers see: pages, llms.txt, health.
