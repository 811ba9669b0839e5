{#-
    The main items of financial statements, with their names at the sources. The first name that a row has counts. New
    items and new names are added only here.
-#}
{% macro line_item_names() %}
    {% do return({
        'income': {
            'revenue': ['TotalRevenue', 'OperatingRevenue', 'revenue'],
            'gross_profit': ['GrossProfit', 'grossProfit'],
            'operating_income': ['OperatingIncome', 'operatingIncome'],
            'ebitda': ['EBITDA', 'ebitda'],
            'net_income': ['NetIncome', 'netIncome'],
            'diluted_eps': ['DilutedEPS', 'epsDiluted'],
            'diluted_average_shares': ['DilutedAverageShares', 'weightedAverageShsOutDil'],
        },
        'balance': {
            'total_assets': ['TotalAssets', 'totalAssets'],
            'total_liabilities': ['TotalLiabilitiesNetMinorityInterest', 'totalLiabilities'],
            'stockholders_equity': ['StockholdersEquity', 'totalStockholdersEquity'],
            'cash_and_equivalents': ['CashAndCashEquivalents', 'cashAndCashEquivalents'],
            'total_debt': ['TotalDebt', 'totalDebt'],
        },
        'cash_flow': {
            'operating_cash_flow': ['OperatingCashFlow', 'operatingCashFlow', 'netCashProvidedByOperatingActivities'],
            'capital_expenditure': ['CapitalExpenditure', 'capitalExpenditure'],
            'free_cash_flow': ['FreeCashFlow', 'freeCashFlow'],
        },
    }) %}
{% endmacro %}

{#- The items of every statement as numeric columns; null where the row's statement or source does not have it. -#}
{% macro line_item_columns() %}
    {%- for statement, items in line_item_names().items() %}
    {%- for item, names in items.items() %}
    {{ line_item(statement, names) }} as {{ item }}{{ ',' if not loop.last }}
    {%- endfor %}{{ ',' if not loop.last }}
    {%- endfor %}
{% endmacro %}

{#- One item. A source may write text in place of a number: it becomes null and must not break the view. -#}
{% macro line_item(statement, names) -%}
    case
        when statement = '{{ statement }}'
            then
                coalesce(
                    {%- for name in names %}
                    case
                        when jsonb_typeof(line_items -> '{{ name }}') = 'number'
                            then (line_items ->> '{{ name }}')::numeric
                    end{{ ',' if not loop.last }}
                    {%- endfor %}
                )
    end
{%- endmacro %}
