package score

import (
	"fmt"
	"strings"

	"github.com/fastshop/pipeline/internal/payment"
	"github.com/fastshop/pipeline/internal/velocity"
)

// Words are a ground in the words of a person who was refused, not of a data scientist.
type Words struct{ PT, EN string }

// Code is the reason code of a variable of a model: CUSTOMER_AMOUNT_Z for customer.amount_z.
func Code(variable string) string {
	return strings.ToUpper(strings.NewReplacer(".", "_", "=", "_").Replace(variable))
}

// ownWords are what speaks for fraud when a variable of the transaction itself does.
func ownWords() map[string]Words {
	return map[string]Words{
		"tx.amount":             {"O valor desta compra.", "The amount of this purchase."},
		"tx.hour":               {"A hora desta compra.", "The time of day of this purchase."},
		"tx.weekday":            {"O dia da semana desta compra.", "The day of the week of this purchase."},
		"tx.night":              {"A compra foi feita à noite ou de madrugada.", "The purchase was made at night."},
		"tx.weekend":            {"A compra foi feita no fim de semana.", "The purchase was made on a weekend."},
		"tx.region_mismatch":    {"A região fiscal do CPF não é a do endereço de entrega.", "The CPF's fiscal region is not that of the delivery address."},
		"tx.has_device":         {"Se a loja reconheceu um aparelho nesta compra.", "Whether the shop saw a device in this purchase."},
		"tx.has_ip":             {"Se a loja viu um endereço de internet nesta compra.", "Whether the shop saw an internet address in this purchase."},
		"tx.has_address":        {"Se esta compra tem endereço de entrega.", "Whether this purchase has a delivery address."},
		"tx.blocked":            {"Um dado desta compra está na lista de bloqueio da loja.", "Something about this purchase is on the shop's block list."},
		"tx.allowed":            {"Um dado desta compra está na lista de confiança da loja.", "Something about this purchase is on the shop's allow list."},
		"customer.amount_ratio": {"O valor comparado com o que este cliente costuma pagar.", "The amount compared with what this customer usually pays."},
		"customer.amount_z":     {"O valor foge do que este cliente costuma pagar.", "The amount is out of line with what this customer usually pays."},
		"customer.max_ratio_7d": {"O maior valor dos últimos 7 dias comparado com o que este cliente costuma pagar.", "The largest amount of the last 7 days compared with what this customer usually pays."},
		"card.max_ratio_7d":     {"O maior valor dos últimos 7 dias comparado com o que se costuma pagar com este cartão.", "The largest amount of the last 7 days compared with what is usually paid with this card."},
		"card.amount_ratio":     {"O valor comparado com o que se costuma pagar com este cartão.", "The amount compared with what is usually paid with this card."},
		"card.amount_z":         {"O valor foge do que se costuma pagar com este cartão.", "The amount is out of line with what is usually paid with this card."},
	}
}

// kindWords name entities: of the one, and several.
func kindWords(k payment.Kind) (pt, en, pts, ens string) {
	words := map[payment.Kind][4]string{
		payment.KindCustomer: {"deste cliente", "this customer", "clientes", "customers"},
		payment.KindDocument: {"deste documento", "this document", "documentos", "documents"},
		payment.KindCard:     {"deste cartão", "this card", "cartões", "cards"},
		payment.KindDevice:   {"deste aparelho", "this device", "aparelhos", "devices"},
		payment.KindIP:       {"deste endereço de internet", "this internet address", "endereços de internet", "internet addresses"},
		payment.KindAddress:  {"deste endereço de entrega", "this delivery address", "endereços de entrega", "delivery addresses"},
		payment.KindBIN:      {"dos cartões deste emissor", "cards of this issuer", "emissores", "issuers"},
		payment.KindMerchant: {"deste vendedor", "this seller", "vendedores", "sellers"},
		payment.KindTerminal: {"deste terminal", "this terminal", "terminais", "terminals"},
	}[k]
	return words[0], words[1], words[2], words[3]
}

// WordsFor says what a variable of a model is about. ok is false for a name that is no variable.
func WordsFor(variable string) (w Words, ok bool) {
	if w, ok := ownWords()[variable]; ok {
		return w, true
	}
	if o, equal, ok := ownNamed(variable); ok {
		name := strings.TrimPrefix(o.Name, "tx.")
		return Words{fmt.Sprintf("O tipo da compra: %s é %s.", name, equal), fmt.Sprintf("The kind of purchase: %s is %s.", name, equal)}, true
	}
	f, err := velocity.ParseFeature(variable)
	if err != nil {
		return Words{}, false
	}
	return featureWords(f), true
}

func featureWords(f velocity.Feature) Words {
	pt, en, _, _ := kindWords(f.Kind)
	of, otherEN, others, othersEN := kindWords(f.Counterpart)
	what := map[velocity.Aggregate]Words{
		velocity.Count:            {"O número de compras %s", "The number of purchases of %s"},
		velocity.Sum:              {"A soma dos valores das compras %s", "The sum of the amounts of %s"},
		velocity.Mean:             {"O valor médio das compras %s", "The average amount of %s"},
		velocity.SD:               {"A variação dos valores das compras %s", "How much the amounts of %s vary"},
		velocity.Max:              {"O maior valor das compras %s", "The largest amount of %s"},
		velocity.Declines:         {"As compras recusadas %s", "The declined purchases of %s"},
		velocity.Frauds:           {"As fraudes confirmadas %s", "The confirmed frauds of %s"},
		velocity.FraudShare:       {"A proporção de fraudes confirmadas %s", "The share of confirmed frauds of %s"},
		velocity.Anomalies:        {"As compras de valor fora do costume %s", "The purchases of unusual amounts of %s"},
		velocity.Distinct:         {"Quantos " + others + " diferentes aparecem nas compras %s", "How many different " + othersEN + " appear in the purchases of %s"},
		velocity.SecondsSinceLast: {"O tempo desde a compra anterior %s", "The time since the purchase before of %s"},
		velocity.FirstSeenSeconds: {"Há quanto tempo a loja conhece as compras %s", "For how long the shop has known %s"},
		velocity.AmountMedian:     {"O valor típico das compras %s", "The typical amount of %s"},
		velocity.AmountSpread:     {"A variação habitual dos valores %s", "The usual variation of the amounts of %s"},
		velocity.HourShare:        {"A hora da compra comparada com as horas habituais %s", "The time of day compared with the usual times of %s"},
		velocity.FraudRun:         {"As fraudes confirmadas em sequência %s", "The row of confirmed frauds of %s"},
		velocity.CounterpartAge:   {"Há quanto tempo as compras %s são vistas com os dados " + of, "For how long %s has been seen with " + otherEN},
	}[f.Aggregate]
	w := Words{fmt.Sprintf(what.PT, pt), fmt.Sprintf(what.EN, en)}
	over := map[velocity.Window]Words{
		velocity.Minute:      {"no último minuto", "within the last minute"},
		velocity.FiveMinutes: {"nos últimos 5 minutos", "within the last 5 minutes"},
		velocity.Hour:        {"na última hora", "within the last hour"},
		velocity.Day:         {"nas últimas 24 horas", "within the last 24 hours"},
		velocity.Week:        {"nos últimos 7 dias", "within the last 7 days"},
		velocity.Month:       {"nos últimos 30 dias", "within the last 30 days"},
	}[f.Window]
	if f.Window != velocity.NoWindow {
		w.PT, w.EN = w.PT+" "+over.PT, w.EN+" "+over.EN
	}
	if f.Delayed {
		w.PT, w.EN = w.PT+", contados até 7 dias atrás", w.EN+", counted until 7 days ago"
	}
	return Words{w.PT + ".", w.EN + "."}
}
