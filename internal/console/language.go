package console

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/fastshop/pipeline/internal/decision"
	"github.com/fastshop/pipeline/internal/payment"
)

// texts are what the pages say in one language, with its way of writing numbers.
type texts struct {
	code, tag, otherCode, otherName string
	thousands, decimal              string

	title, tagline, demo, live, connecting, paused, skip, logout string
	rate, perSecond, window, total, held, peak, ago, nowLabel    string
	latency, median, p99, lastMinute, backlog, waiting           string
	outcomesTitle, frauds, caught, ofFrauds, falseAlarms, saved  string
	noTruth, latest, all, onlyHeld, pause, resume, noScript      string
	emptyTitle, emptyText, filter                                string
	colTime, colAmount, colMethod, colMerchant, colScore         string
	colOutcome, colReasons, colLatency                           string
	noReason, fraudMark, genuineMark, personalNote               string
	login, loginText, key, enter, loginWrong, loginWait          string
	loginFull, chartLabel, mixLabel                              string

	outcome [outcomes]string
	method  [4]string
	channel [6]string
}

func portuguese() *texts {
	return &texts{
		code: "pt", tag: "pt-BR", otherCode: "en", otherName: "English", thousands: ".", decimal: ",",
		title: "Ao vivo", tagline: "Pagamentos julgados em tempo real", demo: "Loja simulada",
		live: "Ao vivo", connecting: "Reconectando…", paused: "Pausado", skip: "Ir para o conteúdo", logout: "Sair",
		rate: "Vazão", perSecond: "transações por segundo", window: "Últimos 5 minutos", total: "decisões",
		held: "não aprovadas", peak: "máximo", ago: "há 5 min", nowLabel: "agora",
		latency: "Latência", median: "mediana", p99: "99 % até", lastMinute: "último minuto",
		backlog: "Fila", waiting: "registros à espera",
		outcomesTitle: "Desfechos", frauds: "Fraudes detectadas", caught: "barradas", ofFrauds: "de %s conhecidas",
		falseAlarms: "alarmes falsos", saved: "em fraudes barradas",
		noTruth: "Os rótulos ainda não chegaram: estornos e devoluções do Pix levam dias.",
		latest:  "Últimas decisões", all: "Todas", onlyHeld: "Só as não aprovadas", pause: "Pausar", resume: "Retomar",
		noScript:   "Sem JavaScript, a página se recarrega a cada 5 segundos.",
		emptyTitle: "À espera do primeiro pagamento", filter: "Filtro",
		emptyText: "Assim que uma transação for decidida, ela aparece aqui com o desfecho e os motivos.",
		colTime:   "Hora", colAmount: "Valor", colMethod: "Meio", colMerchant: "Lojista", colScore: "Risco",
		colOutcome: "Desfecho", colReasons: "Motivos", colLatency: "Latência",
		noReason: "nenhum sinal", fraudMark: "fraude confirmada", genuineMark: "legítima",
		personalNote: "Esta página mostra só números e códigos; nenhum dado pessoal.",
		login:        "Entrar", loginText: "Use uma chave de API com acesso ao console.", key: "Chave de API", enter: "Entrar",
		loginWrong: "Chave inválida ou sem acesso.", loginWait: "Muitas tentativas. Aguarde um minuto.",
		loginFull:  "Há sessões demais abertas. Tente daqui a pouco.",
		chartLabel: "Transações por segundo nos últimos cinco minutos", mixLabel: "Proporção dos desfechos",
		outcome: [outcomes]string{"inválido", "Aprovada", "Desafio", "Revisão", "Recusada"},
		method:  [4]string{"–", "Cartão", "Pix", "Boleto"},
		channel: [6]string{"", "site", "app", "loja", "telefone", "marketplace"},
	}
}

func english() *texts {
	return &texts{
		code: "en", tag: "en", otherCode: "pt", otherName: "Português", thousands: ",", decimal: ".",
		title: "Live", tagline: "Payments judged in real time", demo: "Simulated shop",
		live: "Live", connecting: "Reconnecting…", paused: "Paused", skip: "Skip to content", logout: "Log out",
		rate: "Throughput", perSecond: "transactions per second", window: "Last 5 minutes", total: "decisions",
		held: "not approved", peak: "peak", ago: "5 min ago", nowLabel: "now",
		latency: "Latency", median: "median", p99: "99% within", lastMinute: "last minute",
		backlog: "Backlog", waiting: "records waiting",
		outcomesTitle: "Outcomes", frauds: "Frauds caught", caught: "stopped", ofFrauds: "of %s known",
		falseAlarms: "false alarms", saved: "in frauds stopped",
		noTruth: "No labels yet: chargebacks and Pix refunds take days to arrive.",
		latest:  "Latest decisions", all: "All", onlyHeld: "Not approved only", pause: "Pause", resume: "Resume",
		noScript:   "Without JavaScript the page reloads every 5 seconds.",
		emptyTitle: "Waiting for the first payment", filter: "Filter",
		emptyText: "As soon as a transaction is decided, it appears here with its outcome and reasons.",
		colTime:   "Time", colAmount: "Amount", colMethod: "Method", colMerchant: "Merchant", colScore: "Risk",
		colOutcome: "Outcome", colReasons: "Reasons", colLatency: "Latency",
		noReason: "no signal", fraudMark: "confirmed fraud", genuineMark: "genuine",
		personalNote: "This page shows numbers and codes only; no personal data.",
		login:        "Log in", loginText: "Use an API key with access to the console.", key: "API key", enter: "Log in",
		loginWrong: "The key is invalid or has no access.", loginWait: "Too many attempts. Wait a minute.",
		loginFull:  "Too many sessions are open. Try again shortly.",
		chartLabel: "Transactions per second over the last five minutes", mixLabel: "Share of outcomes",
		outcome: [outcomes]string{"invalid", "Approved", "Challenge", "Review", "Declined"},
		method:  [4]string{"–", "Card", "Pix", "Boleto"},
		channel: [6]string{"", "web", "app", "store", "phone", "marketplace"},
	}
}

// language is the one asked for by ?lang=, else the viewer's first of Accept-Language that is known, else Portuguese.
func language(r *http.Request) *texts {
	switch r.URL.Query().Get("lang") {
	case "pt":
		return portuguese()
	case "en":
		return english()
	}
	best, quality := "pt", 0.0
	for part := range strings.SplitSeq(r.Header.Get("Accept-Language"), ",") {
		tag, params, _ := strings.Cut(strings.TrimSpace(part), ";")
		q := 1.0
		if v, ok := strings.CutPrefix(strings.TrimSpace(params), "q="); ok {
			if parsed, err := strconv.ParseFloat(v, 64); err == nil {
				q = parsed
			}
		}
		primary, _, _ := strings.Cut(strings.ToLower(tag), "-")
		if (primary == "pt" || primary == "en") && q > quality {
			best, quality = primary, q
		}
	}
	if best == "en" {
		return english()
	}
	return portuguese()
}

// count writes n with separators.
func (t *texts) count(n uint64) string {
	s := strconv.FormatUint(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + t.thousands + s[i:]
	}
	return s
}

// number writes v ≥ 0 with the given decimals.
func (t *texts) number(v float64, decimals int) string {
	whole, fraction, found := strings.Cut(strconv.FormatFloat(v, 'f', decimals, 64), ".")
	n, err := strconv.ParseUint(whole, 10, 64)
	if err != nil {
		return "–" // NaN, or beyond any real figure
	}
	if !found {
		return t.count(n)
	}
	return t.count(n) + t.decimal + fraction
}

// money writes centavos as reais.
func (t *texts) money(centavos int64) string {
	sign := ""
	if centavos < 0 {
		sign, centavos = "−", -centavos
	}
	cents := strconv.FormatInt(100+centavos%100, 10)[1:]
	return sign + "R$\u00a0" + t.count(uint64(centavos/100)) + t.decimal + cents
}

// duration writes d with three significant digits in µs, ms or s; "–" for none.
func (t *texts) duration(d time.Duration) string {
	v, unit := float64(d)/float64(time.Microsecond), "µs"
	switch {
	case d <= 0:
		return "–"
	case d >= time.Second:
		v, unit = d.Seconds(), "s"
	case d >= time.Millisecond:
		v, unit = float64(d)/float64(time.Millisecond), "ms"
	}
	decimals := 0
	if unit != "µs" && v < 9.95 {
		decimals = 1
	}
	return t.number(v, decimals) + "\u00a0" + unit
}

// rateText writes transactions a second.
func (t *texts) rateText(v float64) string {
	if v > 0 && v < 9.95 {
		return t.number(v, 1)
	}
	return t.number(v, 0)
}

func (t *texts) outcomeName(o decision.Outcome) string {
	if int(o) < len(t.outcome) {
		return t.outcome[o]
	}
	return t.outcome[decision.Invalid]
}

func (t *texts) methodName(m payment.Method) string {
	if int(m) < len(t.method) {
		return t.method[m]
	}
	return t.method[0]
}

func (t *texts) channelName(c payment.Channel) string {
	if int(c) < len(t.channel) {
		return t.channel[c]
	}
	return ""
}

func (t *texts) reason(r Reason) string {
	text := r.Portuguese
	if t.code == "en" {
		text = r.English
	}
	if text == "" {
		return r.Code
	}
	return text
}
