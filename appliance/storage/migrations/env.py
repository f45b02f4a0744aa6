"""What Alembic runs: migrate on the connection that `__main__` opened, inside its transaction."""

from alembic import context

from appliance.storage.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, transactional_ddl=False)
context.run_migrations()
