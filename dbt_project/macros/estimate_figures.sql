{#- The main figures of analysts' estimates, from their places in the answer of each source. -#}
{% macro estimate_places() %}
    {% do return({
        'eps_estimate': ['{earningsEstimate,avg}', '{epsAvg}'],
        'eps_low': ['{earningsEstimate,low}', '{epsLow}'],
        'eps_high': ['{earningsEstimate,high}', '{epsHigh}'],
        'eps_analysts': ['{earningsEstimate,numberOfAnalysts}', '{numAnalystsEps}'],
        'revenue_estimate': ['{revenueEstimate,avg}', '{revenueAvg}'],
        'revenue_low': ['{revenueEstimate,low}', '{revenueLow}'],
        'revenue_high': ['{revenueEstimate,high}', '{revenueHigh}'],
        'revenue_analysts': ['{revenueEstimate,numberOfAnalysts}', '{numAnalystsRevenue}'],
    }) %}
{% endmacro %}

{% macro estimate_columns() %}
    {%- for figure, places in estimate_places().items() %}
    coalesce(
        {%- for place in places %}
        case
            when jsonb_typeof(figures.value #> '{{ place }}') = 'number' then (figures.value #>> '{{ place }}')::numeric
        end{{ ',' if not loop.last }}
        {%- endfor %}
    ) as {{ figure }}{{ ',' if not loop.last }}
    {%- endfor %}
{% endmacro %}
