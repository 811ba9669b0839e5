{# Every one of these SQL conditions holds on every row; a null is no violation. #}
{% test rows_satisfy(model, conditions) %}

select *
from {{ model }}
where {% for condition in conditions %}{{ " or " if not loop.first }}not ({{ condition }}){% endfor %}

{% endtest %}
