-- Inputs that were ignored in whole or part: closes and transactions that find too little to close, flows and cash
-- items before inception. See the column `reason` of the model.
{{ config(severity='warn') }}

select * from {{ ref('ignored_inputs') }}
