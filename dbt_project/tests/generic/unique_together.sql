{# The model's grain: no two rows share these columns, and none of them is null but for those named as nullable. #}
{% test unique_together(model, columns, nullable=[]) %}

select
    {{ columns | join(", ") }},
    count(*) as num_rows
from {{ model }}
group by {{ columns | join(", ") }}
having count(*) > 1{% for column in columns if column not in nullable %} or {{ column }} is null{% endfor %}

{% endtest %}
