-- Two splits of one ratio within two weeks are one that is told twice, unless the closes have shown both.
alter table raw.corporate_action_claims add column took_place boolean not null default false;
comment on column raw.corporate_action_claims.took_place is
'The closes have shown this split beside another of the same ratio nearby: it is not the other, told twice';
