{# Every date is a session of the exchange that has closed. #}
{% test is_session(model, column_name) %}

select model.*
from {{ model }} as model
left join {{ ref('sessions') }} as sessions on model.{{ column_name }} = sessions.session_date
where sessions.session_date is null or sessions.closes_at > now()

{% endtest %}
