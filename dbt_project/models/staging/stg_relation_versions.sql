select
    relation,
    version,
    changed_at
from {{ source('ops', 'relation_versions') }}
