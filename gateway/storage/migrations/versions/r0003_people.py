"""People: accounts, posts, offices, sessions, invitations, devices, failed sign-ins, approvals."""

import sqlalchemy as sa
from alembic import op

revision = "r0003_people"
down_revision = "r0002_restore"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table('persons',
    sa.Column('person_id', sa.String(length=36), nullable=False),
    sa.Column('login', sa.String(length=40), nullable=False),
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('state', sa.String(length=16), nullable=False),
    sa.Column('password', sa.Text(), nullable=True),
    sa.Column('created_ms', sa.BigInteger(), nullable=False),
    sa.Column('signed_in_ms', sa.BigInteger(), nullable=True),
    sa.PrimaryKeyConstraint('person_id', name=op.f('pk_persons'))
    )
    op.create_index('ix_persons_login', 'persons', ['login'], unique=True)
    op.create_table('posts',
    sa.Column('person_id', sa.String(length=36), nullable=False),
    sa.Column('role', sa.String(length=24), nullable=False),
    sa.Column('office', sa.String(length=80), nullable=False),
    sa.Column('since_ms', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('person_id', 'role', 'office', name=op.f('pk_posts'))
    )
    op.create_index('ix_posts_role', 'posts', ['role'], unique=False)
    op.create_table('offices',
    sa.Column('code', sa.String(length=80), nullable=False),
    sa.Column('name_es', sa.Text(), nullable=False),
    sa.Column('name_en', sa.Text(), nullable=False),
    sa.Column('zone', sa.String(length=64), nullable=False),
    sa.Column('calendar', sa.String(length=8), nullable=False),
    sa.Column('hours', sa.Text(), nullable=False),
    sa.Column('takes_inbox', sa.Boolean(), nullable=False),
    sa.Column('closed_ms', sa.BigInteger(), nullable=True),
    sa.PrimaryKeyConstraint('code', name=op.f('pk_offices'))
    )
    op.create_table('sessions',
    sa.Column('digest', sa.LargeBinary(), nullable=False),
    sa.Column('person_id', sa.String(length=36), nullable=False),
    sa.Column('created_ms', sa.BigInteger(), nullable=False),
    sa.Column('used_ms', sa.BigInteger(), nullable=False),
    sa.Column('expires_ms', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('digest', name=op.f('pk_sessions'))
    )
    op.create_index('ix_sessions_person_id', 'sessions', ['person_id'], unique=False)
    op.create_table('invitations',
    sa.Column('person_id', sa.String(length=36), nullable=False),
    sa.Column('digest', sa.LargeBinary(), nullable=False),
    sa.Column('expires_ms', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('person_id', name=op.f('pk_invitations'))
    )
    op.create_index('ix_invitations_digest', 'invitations', ['digest'], unique=True)
    op.create_table('devices',
    sa.Column('digest', sa.LargeBinary(), nullable=False),
    sa.Column('person_id', sa.String(length=36), nullable=False),
    sa.Column('used_ms', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('digest', 'person_id', name=op.f('pk_devices'))
    )
    op.create_table('sign_in_failures',
    sa.Column('bucket', sa.LargeBinary(), nullable=False),
    sa.Column('failures', sa.Integer(), nullable=False),
    sa.Column('last_ms', sa.BigInteger(), nullable=False),
    sa.Column('until_ms', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('bucket', name=op.f('pk_sign_in_failures'))
    )
    op.create_index('ix_sign_in_failures_last_ms', 'sign_in_failures', ['last_ms'], unique=False)
    op.create_table('approvals',
    sa.Column('subject', sa.String(length=160), nullable=False),
    sa.Column('person_id', sa.String(length=36), nullable=False),
    sa.Column('given_ms', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('subject', 'person_id', name=op.f('pk_approvals'))
    )


def downgrade() -> None:
    """There is no way back: an older release would let anybody with the operator's token at the cases again."""
    raise NotImplementedError
