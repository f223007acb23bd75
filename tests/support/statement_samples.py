# ruff: noqa: E501  # a row of a file is as long as it is
"""Statement files of providers, written from the formats' own definitions, with made-up numbers."""

from __future__ import annotations

TRADES = (
    "交易时间,公众账号ID,商户号,特约商户号,设备号,微信订单号,商户订单号,用户标识,交易类型,交易状态,付款银行,货币种类,应结订单金额,"
    "代金券金额,微信退款单号,商户退款单号,退款金额,充值券退款金额,退款类型,退款状态,商品名称,商户数据包,手续费,费率,订单金额,申请退款金额,费率备注\r\n"
    "`2026-11-27 16:33:45,`wx1,`1900000109,`0,`,`4200000000000000000000000001,`T-1,`o1,`JSAPI,`SUCCESS,`CMC,`CNY,`47.80,"
    "`0.00,`0,`0,`0.00,`0.00,`,`,`茶饼,`,`0.28680,`0.60%,`47.80,`0.00,`\r\n"
    "`2026-11-27 17:00:00,`wx1,`1900000109,`0,`,`4200000000000000000000000001,`T-1,`o1,`JSAPI,`REFUND,`CMC,`CNY,`0.00,"
    "`0.00,`5030000000000000000000000001,`r1,`10.00,`0.00,`ORIGINAL,`SUCCESS,`茶饼,`,`-0.06000,`0.60%,`0.00,`10.00,`\r\n"
    "`2026-11-27 17:05:00,`wx1,`1900000109,`0,`,`4200000000000000000000000001,`T-1,`o1,`JSAPI,`REFUND,`CMC,`CNY,`0.00,"
    "`0.00,`5030000000000000000000000002,`r2,`1.00,`0.00,`ORIGINAL,`PROCESSING,`茶饼,`,`0.00,`0.60%,`0.00,`1.00,`\r\n"
    "总交易单数,应结订单总金额,退款总金额,充值券退款总金额,手续费总金额,订单总金额,申请退款总金额\r\n"
    "`3,`47.80,`11.00,`0.00,`0.22680,`47.80,`11.00\r\n"
)
FUNDS = (
    "记账时间,微信支付业务单号,资金流水单号,业务名称,业务类型,收支类型,收支金额(元),账户结余(元),资金变更提交申请人,备注,业务凭证号\r\n"
    "`2026-11-27 10:00:00,`4200000000000000000000000001,`F1,`交易,`交易,`收入,`47.80,`100.00,`system,`,`T-1\r\n"
    "`2026-11-27 10:00:01,`4200000000000000000000000001,`F2,`交易,`扣除交易手续费,`支出,`0.29,`99.71,`system,`,`T-1\r\n"
    "`2026-11-27 11:00:00,`5030000000000000000000000001,`F3,`退款,`退款,`支出,`10.00,`89.71,`1900000109API,`,`r1\r\n"
    "`2026-11-27 12:00:00,`1000000000000000000000000001,`F4,`商家转账,`商家转账,`支出,`20.00,`69.71,`API,`,`k1a2b3\r\n"
    "`2026-11-27 13:00:00,`1000000000000000000000000001,`F5,`商家转账,`转账退回,`收入,`20.00,`89.71,`API,`,`k1a2b3\r\n"
    "`2026-11-27 14:00:00,`2000000000000000000000000001,`F6,`充值,`充值,`收入,`500.00,`589.71,`ann,`,`\r\n"
    "资金流水总笔数,收入笔数,收入金额,支出笔数,支出金额\r\n`6,`3,`567.80,`3,`30.29\r\n"
)
ALIPAY_BUSINESS = (
    "#支付宝业务明细查询\r\n#账号：[20880000000001560156]\r\n#起始日期：[2026年11月27日 00:00:00]   终止日期：[2026年11月28日 00:00:00]\r\n"
    "#-----------------------------------------业务明细列表----------------------------------------\r\n"
    "支付宝交易号,商户订单号,业务类型,商品名称,创建时间,完成时间,门店编号,门店名称,操作员,终端号,对方账户,订单金额（元）,商家实收（元）,"
    "退款批次号/请求号,服务费（元）,备注\r\n"
    "2026112722001400000000000001\t,T-1\t,交易,茶饼,2026-11-27 10:00:00,2026-11-27 10:00:05,,,,,a***@x.com,47.80,47.80,,-0.29,\r\n"
    "2026112722001400000000000001\t,T-1\t,退款,茶饼,2026-11-27 11:00:00,2026-11-27 11:00:05,,,,,a***@x.com,-10.00,-10.00,r1,0.06,\r\n"
    "#-----------------------------------------业务明细列表结束------------------------------------\r\n"
    "#交易合计：1笔，商家实收共37.80元\r\n#导出时间：[2026年11月28日 08:00:00]\r\n"
)
ALIPAY_ACCOUNT = (
    "#支付宝账务明细查询\r\n#账号：[20880000000001560156]\r\n"
    "账务流水号,业务流水号,商户订单号,商品名称,发生时间,对方账号,收入金额（+元）,支出金额（-元）,账户余额（元）,交易渠道,业务类型,备注\r\n"
    "1001\t,2026112722001400000000000001\t,T-1\t,茶饼,2026-11-27 10:00:05,a***@x.com,47.80,0.00,147.80,支付宝,在线支付,\r\n"
    "1002\t,2026112722001400000000000001\t,T-1\t,服务费,2026-11-27 10:00:05,,0.00,-0.29,147.51,支付宝,收费,\r\n"
    "1003\t,20261127110070001506\t,k1a2b3\t,,2026-11-27 12:00:00,b***@x.com,,-20.00,127.51,支付宝,转账,\r\n"
    "#导出时间：[2026年11月28日 08:00:00]\r\n"
)
CAMT = """<?xml version="1.0" encoding="UTF-8"?>
<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"><BkToCstmrStmt><GrpHdr><MsgId>M1</MsgId></GrpHdr>
<Stmt><Id>S1</Id><FrToDt><FrDtTm>2026-11-27T00:00:00+01:00</FrDtTm><ToDtTm>2026-11-28T00:00:00+01:00</ToDtTm></FrToDt>
<Ntry><Amt Ccy="EUR">120.50</Amt><CdtDbtInd>DBIT</CdtDbtInd><Sts><Cd>BOOK</Cd></Sts><BookgDt><Dt>2026-11-27</Dt></BookgDt>
<AcctSvcrRef>B1</AcctSvcrRef><NtryDtls><TxDtls><Refs><EndToEndId>k1a2b3</EndToEndId></Refs></TxDtls></NtryDtls></Ntry>
<Ntry><Amt Ccy="EUR">30.00</Amt><CdtDbtInd>DBIT</CdtDbtInd><Sts><Cd>BOOK</Cd></Sts><BookgDt><Dt>2026-11-27</Dt></BookgDt>
<AcctSvcrRef>B2</AcctSvcrRef><NtryDtls>
<TxDtls><Refs><EndToEndId>k2</EndToEndId></Refs><Amt Ccy="EUR">10.00</Amt></TxDtls>
<TxDtls><Refs><EndToEndId>k3</EndToEndId></Refs><AmtDtls><TxAmt><Amt Ccy="EUR">20.00</Amt></TxAmt></AmtDtls></TxDtls></NtryDtls></Ntry>
<Ntry><Amt Ccy="EUR">120.50</Amt><CdtDbtInd>CRDT</CdtDbtInd><Sts>BOOK</Sts><BookgDt><DtTm>2026-11-27T15:00:00+01:00</DtTm></BookgDt>
<AcctSvcrRef>B3</AcctSvcrRef><NtryDtls><TxDtls><Refs><EndToEndId>k1a2b3</EndToEndId></Refs>
<RtrInf><Rsn><Cd>AC04</Cd></Rsn></RtrInf></TxDtls></NtryDtls></Ntry>
<Ntry><Amt Ccy="EUR">500</Amt><CdtDbtInd>CRDT</CdtDbtInd><Sts><Cd>BOOK</Cd></Sts><BookgDt><Dt>2026-11-27</Dt></BookgDt>
<AcctSvcrRef>B4</AcctSvcrRef></Ntry>
<Ntry><Amt Ccy="EUR">7.00</Amt><CdtDbtInd>DBIT</CdtDbtInd><Sts><Cd>PDNG</Cd></Sts></Ntry>
</Stmt></BkToCstmrStmt></Document>"""
MT940 = """:20:START
:25:NL08DEUT0319809633EUR
:28C:1/1
:60F:C261127EUR1000,00
:61:2611271127D120,50NTRFk1a2b3//B1
:86:020?00TRANSFER?20payout?32W. FANG
:61:2611281128RD120,5NRTIk1a2b3//B2
returned
:86:account closed
:61:2611281128C500,NTRFNONREF//B3
:86:funding
:61:2611281128RC1,00NTRFNONREF//B4
:62F:C261128EUR1499,00
-
"""
STRIPE = (
    "balance_transaction_id,created_utc,available_on_utc,currency,gross,fee,net,reporting_category,source_id,description,"
    "payment_intent_id,charge_id\n"
    "txn_1,2026-11-27 10:00:00,2026-11-29 00:00:00,usd,47.80,1.69,46.11,charge,ch_1,Order,pi_1,ch_1\n"
    "txn_2,2026-11-27 11:00:00,2026-11-27 00:00:00,usd,-10.00,0.00,-10.00,refund,re_1,Refund,pi_1,ch_1\n"
    "txn_3,2026-11-28 00:00:00,2026-11-28 00:00:00,usd,-36.11,0.00,-36.11,payout,po_1,STRIPE PAYOUT,,\n"
    "txn_4,2026-11-28 00:00:00,2026-11-28 00:00:00,usd,-20.00,0.00,-20.00,transfer,tr_1,,,\n"
    "txn_5,2026-11-28 00:00:00,2026-11-28 00:00:00,usd,-2.00,0.00,-2.00,fee,fee_1,,,\n"
    "txn_6,2026-11-28 01:00:00,2026-11-28 00:00:00,usd,-47.80,15.00,-62.80,dispute,du_1,Chargeback,pi_1,ch_1\n"
    "txn_7,2026-11-29 01:00:00,2026-11-29 00:00:00,usd,47.80,0.00,47.80,dispute_reversal,du_1,Won,pi_1,ch_1\n"
)
STRIPE_PAYOUTS = (
    "id,Amount,Currency,Created (UTC),Arrival Date (UTC),Status\n"
    "po_1,36.11,usd,2026-11-27 00:10,2026-11-28 00:00,paid\npo_2,5.00,usd,2026-11-27 00:10,2026-11-30 00:00,in_transit\n"
)
PAYPAL = (
    '"Date","Time","TimeZone","Name","Type","Status","Currency","Gross","Fee","Net","Transaction ID","Reference Txn ID",'
    '"Invoice Number","Custom Number"\n'
    '"11/27/2026","10:00:00","PST","W F","Express Checkout Payment","Completed","USD","1,047.80","-1.69","1,046.11","5AB1","","T-1",""\n'
    '"11/27/2026","11:00:00","PST","W F","Payment Refund","Completed","USD","-10.00","0.00","-10.00","5AB2","5AB1","","r1"\n'
    '"11/27/2026","12:00:00","PST","","General Withdrawal","Completed","USD","-36.11","0.00","-36.11","5AB3","","",""\n'
    '"11/27/2026","12:30:00","PST","M","Mass Pay Payment","Completed","USD","-20.00","-0.25","-20.25","5AB4","","","k1a2b3"\n'
    '"11/27/2026","12:40:00","PST","M","Mass Pay Payment","Unclaimed","USD","-20.00","-0.25","-20.25","5AB5","","","k2"\n'
    '"11/27/2026","13:00:00","PST","","Chargeback","Completed","USD","-47.80","0.00","-47.80","5AB6","5AB1","T-1",""\n'
    '"11/27/2026","13:00:00","PST","","Chargeback Fee","Completed","USD","-20.00","0.00","-20.00","5AB7","5AB1","T-1",""\n'
    '"11/27/2026","14:00:00","PST","","Chargeback Reversal","Completed","USD","47.80","0.00","47.80","5AB8","5AB1","",""\n'
)
