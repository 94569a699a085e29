package explanation

import (
	"cmp"
	"fmt"
)

// criteria says how a decision comes about.
func criteria() Text {
	return Text{
		PT: "Um programa compara a compra com regras da loja e, se houver, com um modelo estatístico treinado em fraudes confirmadas. " +
			"Cada regra que vale e o modelo somam indícios de 0 a 1000 pontos, que se combinam como indícios independentes: " +
			"pontuação = 1000 · (1 − Π(1 − pontos/1000)). A pontuação é comparada com os limites da política: abaixo de todos a compra é aprovada; " +
			"a partir de cada um deles pede-se outra prova (challenge), a compra espera por um analista (review) ou é recusada (decline). " +
			"Uma regra pode pedir um resultado mais severo que o da pontuação, e sem os dados necessários o programa nunca aprova sozinho. " +
			"Regras e modelos em observação (shadow) são registrados e não contam. Sexo, idade, raça, nome e endereço exato não são considerados.",
		EN: "A program compares the purchase with the shop's rules and, if there is one, with a statistical model trained on confirmed frauds. " +
			"Each rule that holds, and the model, gives evidence of 0 to 1000 points, combined as independent evidence is: " +
			"score = 1000 · (1 − Π(1 − points/1000)). The score is compared with the thresholds of the policy: below all of them the purchase is approved; " +
			"from each of them on another proof is asked for (challenge), the purchase waits for an analyst (review), or it is refused (decline). " +
			"A rule may ask for a harder outcome than that of the score, and without the data that it needs the program never approves by itself. " +
			"Rules and models on trial (shadow) are recorded and do not count. Sex, age, race, name and exact address are not looked at.",
	}
}

// contest says how a customer may have a decision reviewed. The law's article 20 gives the right to a review; that a person
// does it is what the shop offers.
func contest() Text {
	return Text{
		PT: "Esta decisão foi tomada de forma automatizada. O cliente pode pedir que ela seja revista e que uma pessoa examine o caso " +
			"(LGPD, Lei 13.709/2018, art. 20): basta falar com o atendimento da loja, ou com o encarregado pelos dados pessoais, e informar o número do pedido. " +
			"Não é preciso justificar o pedido, mas ajuda contar o que o programa não podia saber, como uma viagem, um presente ou um aparelho novo. " +
			"A loja informa os critérios da decisão em palavras claras, resguardados os segredos comercial e industrial, corrige a decisão se estiver errada e responde ao cliente, sem custo. " +
			"Quem não concordar com a resposta pode recorrer à Autoridade Nacional de Proteção de Dados (ANPD) e aos órgãos de defesa do consumidor. " +
			"Este texto é informativo e não é aconselhamento jurídico.",
		EN: "This decision was made by automated means. The customer may ask for it to be reviewed, and for a person to look at the case " +
			"(LGPD, Law 13,709/2018, art. 20): tell the shop's customer service, or its data protection officer (encarregado), the number of the order. " +
			"No reason need be given, but it helps to say what the program could not know, such as a journey, a present or a new device. " +
			"The shop gives the criteria of the decision in clear words, trade secrets apart, corrects the decision if it is wrong, and answers the customer, free of charge. " +
			"Whoever does not agree with the answer may turn to the data protection authority (ANPD) and to consumer protection agencies. " +
			"This text informs and is no legal advice.",
	}
}

// missingText says what a word of decision.Degraded means.
func missingText(code string) Text {
	return map[string]Text{
		"features_degraded": {
			"O histórico recente não pôde ser lido; a decisão foi tomada sem ele e, por cautela, a compra não foi simplesmente aprovada.",
			"The recent past could not be read; the decision was made without it and, to be safe, the purchase was not simply approved.",
		},
		"rule_failed": {
			"Pelo menos uma regra não pôde ser avaliada e foi deixada de lado.",
			"At least one rule could not be evaluated and was passed over.",
		},
		"windows_saturated": {
			"Uma contagem chegou ao seu máximo; o valor verdadeiro pode ser maior.",
			"A count was at its bound; the true value may be higher.",
		},
		"late_event": {
			"A compra chegou muito depois de ter sido feita; parte do histórico daquele momento já não existia.",
			"The purchase came in long after it was made; part of the past of that moment was gone.",
		},
		"unsealed_dropped": {
			"Os dados pessoais foram descartados na entrada, porque a proteção deles estava suspensa; a decisão não os usa.",
			"Personal data were dropped on the way in, because their protection was suspended; the decision does not use them.",
		},
		"model_unavailable": {
			"O modelo estatístico não pôde julgar; só as regras decidiram.",
			"The statistical model could not judge; the rules alone decided.",
		},
	}[code]
}

// The notes on an explanation that does not hold all, or does not agree.
func otherRules(then, now string) *Text {
	return &Text{
		fmt.Sprintf("As regras em uso (%s) não são as que decidiram (%s): o que se vê é o que foi guardado com a decisão, sem recálculo.", now, then),
		fmt.Sprintf("The rules at hand (%s) are not those that decided (%s): this is what was stored with the decision, not computed anew.", now, then),
	}
}

func otherModel(then, now string) *Text {
	pt, en := [2]string{cmp.Or(then, "nenhum"), cmp.Or(now, "nenhum")}, [2]string{cmp.Or(then, "none"), cmp.Or(now, "none")}
	return &Text{
		fmt.Sprintf("O modelo em uso (%s) não é o que decidiu (%s): o que se vê é o que foi guardado com a decisão, sem recálculo.", pt[1], pt[0]),
		fmt.Sprintf("The model at hand (%s) is not the one that decided (%s): this is what was stored with the decision, not computed anew.", en[1], en[0]),
	}
}

func otherValues(plan string) *Text {
	return &Text{
		fmt.Sprintf("Os valores guardados (%s) não têm tudo o que as regras e o modelo leem: o que se vê é o que foi guardado com a decisão, sem recálculo.", plan),
		fmt.Sprintf("The stored values (%s) lack some of what the rules and the model read: this is what was stored with the decision, not computed anew.", plan),
	}
}

func disagreement() *Text {
	return &Text{
		"ATENÇÃO: o recálculo não dá o que foi guardado. Uma pessoa deve examinar este caso; 'fastshop verify' diz se os dados guardados estão intactos.",
		"WARNING: computing it anew does not give what was stored. A person should look at this case; 'fastshop verify' tells whether the stored data are whole.",
	}
}
