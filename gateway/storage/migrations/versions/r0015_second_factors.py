"""What people have beside a password, and the steps of coming in that are under way."""

import sqlalchemy as sa
from alembic import op

revision = "r0015_second_factors"
down_revision = "r0014_attachments"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables; a session says by what somebody came in."""
    op.create_table('totp',
    sa.Column('person_id', sa.String(length=36), nullable=False),
    sa.Column('sealed', sa.LargeBinary(), nullable=False),
    sa.Column('last_step', sa.BigInteger(), nullable=False),
    sa.Column('wrong', sa.Integer(), nullable=False),
    sa.Column('made_ms', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('person_id', name=op.f('pk_totp'))
    )
    op.create_table('recovery_codes',
    sa.Column('person_id', sa.String(length=36), nullable=False),
    sa.Column('digest', sa.LargeBinary(), nullable=False),
    sa.PrimaryKeyConstraint('person_id', 'digest', name=op.f('pk_recovery_codes'))
    )
    op.create_table('passkeys',
    sa.Column('credential', sa.LargeBinary(), nullable=False),
    sa.Column('person_id', sa.String(length=36), nullable=False),
    sa.Column('public_key', sa.LargeBinary(), nullable=False),
    sa.Column('counter', sa.BigInteger(), nullable=False),
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('made_ms', sa.BigInteger(), nullable=False),
    sa.Column('used_ms', sa.BigInteger(), nullable=True),
    sa.PrimaryKeyConstraint('credential', name=op.f('pk_passkeys'))
    )
    op.create_index('ix_passkeys_person_id', 'passkeys', ['person_id'], unique=False)
    op.create_table('links',
    sa.Column('person_id', sa.String(length=36), nullable=False),
    sa.Column('issuer', sa.String(length=200), nullable=False),
    sa.Column('subject', sa.String(length=255), nullable=False),
    sa.PrimaryKeyConstraint('person_id', name=op.f('pk_links'))
    )
    op.create_index('ix_links_subject', 'links', ['issuer', 'subject'], unique=True)
    op.create_table('steps',
    sa.Column('holder', sa.LargeBinary(), nullable=False),
    sa.Column('use', sa.String(length=16), nullable=False),
    sa.Column('person_id', sa.String(length=36), nullable=True),
    sa.Column('sealed', sa.LargeBinary(), nullable=False),
    sa.Column('expires_ms', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('holder', 'use', name=op.f('pk_steps'))
    )
    op.create_index('ix_steps_expires_ms', 'steps', ['expires_ms'], unique=False)
    op.create_index('ix_steps_person_id', 'steps', ['person_id'], unique=False)
    op.add_column('persons', sa.Column('factor_due_ms', sa.BigInteger(), nullable=True))
    op.add_column('sessions', sa.Column('method', sa.String(length=16), nullable=True))
    op.add_column('sessions', sa.Column('pages', sa.Boolean(), nullable=True))


def downgrade() -> None:
    """Take them away. An older release would let people in by their password alone: no command of ours goes back."""
    op.drop_column('sessions', 'pages')
    op.drop_column('sessions', 'method')
    op.drop_column('persons', 'factor_due_ms')
    for name in ('steps', 'links', 'passkeys', 'recovery_codes', 'totp'):
        op.drop_table(name)
